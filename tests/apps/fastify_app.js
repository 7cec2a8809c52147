// Fastify with @fastify/session: an identifier with its signature, a new one at login.
const app = require('fastify')();
app.register(require('@fastify/cookie'));
app.register(require('@fastify/session'), { secret: '0123456789abcdef0123456789abcdef', cookie: { secure: false }, saveUninitialized: false });
app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (req, body, done) => done(null, Object.fromEntries(new URLSearchParams(body))));
app.get('/asset.css', async () => 'body {}');
app.get('/', async (req) => { req.session.seen = (req.session.seen || 0) + 1; return 'hello'; });
app.get('/page', async (req) => 'page ' + (req.session.user || 'nobody'));
app.post('/login', async (req, reply) => { await req.session.regenerate(); req.session.user = req.body.user; return reply.redirect('/page'); });
app.post('/cart', async (req) => { req.session.cart = (req.session.cart || 0) + 1; return 'ok'; });
app.post('/logout', async (req, reply) => { await req.session.destroy(); return reply.redirect('/'); });
app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' });
