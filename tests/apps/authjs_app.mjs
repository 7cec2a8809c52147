// Auth.js (next-auth): its own cookie, an encrypted JWT (JWE) that is new at each look at the session; CSRF token.
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const require = createRequire(process.env.NODE_PATH + '/');
const load = (name) => import(pathToFileURL(`${process.env.NODE_PATH}/@auth/core/${name}.js`));
const { Auth } = await load('index');
const { default: Credentials } = await load('providers/credentials');
const config = {
  basePath: '/auth', trustHost: true, secret: '0123456789abcdef0123456789abcdef', logger: { error() {}, warn() {} },
  providers: [Credentials({ credentials: { user: {} }, authorize: ({ user }) => ({ id: user, name: user }) })],
};
const call = (req, path, method = 'GET', form, cookie = req.headers.cookie ?? '') => Auth(new Request(
  `http://app.example/auth/${path}`, { method, body: form && new URLSearchParams(form),
    headers: { cookie, ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) } }), config);
const jar = (answer) => answer.headers.getSetCookie();
http.createServer(async (req, res) => {
  let body = '';
  for await (const chunk of req) body += chunk;
  const sets = [];
  const go = (to) => { res.setHeader('set-cookie', sets); res.statusCode = 302; res.setHeader('location', to); res.end(); };
  // What a page's forms do: fetch the token, then send it.
  const send = async (path, form) => {
    const token = await call(req, 'csrf');
    sets.push(...jar(token));
    const { csrfToken } = await token.json();
    const own = [req.headers.cookie, ...sets.map((set) => set.split(';')[0])].filter(Boolean).join('; ');
    sets.push(...jar(await call(req, path, 'POST', { ...form, csrfToken }, own)));
  };
  switch (new URL(req.url, 'http://app.example').pathname) {
    case '/asset.css': return res.end('body {}');
    case '/login': await send('callback/credentials', { user: new URLSearchParams(body).get('user') }); return go('/page');
    case '/logout': await send('signout', {}); return go('/');
    default: {
      const session = await call(req, 'session');
      res.setHeader('set-cookie', jar(session));
      return res.end(await session.text());
    }
  }
}).listen(Number(process.argv[2]), '127.0.0.1');
