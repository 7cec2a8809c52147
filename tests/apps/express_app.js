// Express: express-session (a new id at login), or with `cookie` cookie-session (state in a signed cookie).
const express = require('express');
const app = express();
app.use(express.urlencoded({ extended: false }));
app.get('/asset.css', (req, res) => res.type('css').send('body {}'));
const keys = ['0123456789abcdef0123456789abcdef'];
const isCookie = process.argv.includes('cookie');
app.use(isCookie
  ? require('cookie-session')({ keys })
  : require('express-session')({ secret: keys[0], resave: false, saveUninitialized: false, rolling: process.argv.includes('rolling') }));
app.get('/', (req, res) => { req.session.seen = (req.session.seen || 0) + 1; res.send('hello'); });
app.get('/page', (req, res) => res.send('page ' + (req.session.user || 'nobody')));
app.post('/login', (req, res, next) => {
  const then = () => { req.session.user = req.body.user; res.redirect('/page'); };
  if (isCookie) { req.session = { user: req.body.user }; return res.redirect('/page'); }
  req.session.regenerate((error) => (error ? next(error) : then()));
});
app.post('/cart', (req, res) => { req.session.cart = (req.session.cart || 0) + 1; res.send('ok'); });
app.post('/logout', (req, res) => {
  if (isCookie) { req.session = null; return res.redirect('/'); }
  req.session.destroy(() => res.redirect('/'));
});
app.listen(Number(process.argv[2]), '127.0.0.1');
