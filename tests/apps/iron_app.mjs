// iron-session: state sealed into a cookie, a new value at each save.
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const require = createRequire(process.env.NODE_PATH + '/');
const { getIronSession } = await import(pathToFileURL(require.resolve('iron-session')));
const options = { cookieName: 'app', password: '0123456789abcdef0123456789abcdef', cookieOptions: { secure: false } };
http.createServer(async (req, res) => {
  if (req.url === '/asset.css') return res.end('body {}');
  let body = '';
  for await (const chunk of req) body += chunk;
  const session = await getIronSession(req, res, options);
  const go = (to) => { res.statusCode = 302; res.setHeader('location', to); res.end(); };
  if (req.url === '/') { session.seen = (session.seen || 0) + 1; await session.save(); return res.end('hello'); }
  if (req.url === '/page') return res.end('page');
  if (req.url === '/login') { session.user = new URLSearchParams(body).get('user'); await session.save(); return go('/page'); }
  if (req.url === '/cart') { session.cart = (session.cart || 0) + 1; await session.save(); return res.end('ok'); }
  if (req.url === '/logout') { session.destroy(); return go('/'); }
  res.statusCode = 404; res.end();
}).listen(Number(process.argv[2]), '127.0.0.1');
