// Koa with koa-session: state in `koa.sess` and a signature in `koa.sess.sig`.
const Koa = require('koa');
const session = require('koa-session').default || require('koa-session');
const app = new Koa();
app.keys = ['0123456789abcdef0123456789abcdef'];
app.use(async (ctx, next) => {
  if (ctx.path === '/asset.css') { ctx.type = 'css'; ctx.body = 'body {}'; return; }
  await next();
});
app.use((session.createSession || session)(app));
const form = async (ctx) => {
  let body = '';
  for await (const chunk of ctx.req) body += chunk;
  return new URLSearchParams(body);
};
app.use(async (ctx) => {
  switch (ctx.path) {
    case '/': ctx.session.seen = (ctx.session.seen || 0) + 1; ctx.body = 'hello'; break;
    case '/page': ctx.body = 'page ' + (ctx.session.user || 'nobody'); break;
    case '/login': ctx.session = { user: (await form(ctx)).get('user') }; ctx.redirect('/page'); break;
    case '/cart': ctx.session.cart = (ctx.session.cart || 0) + 1; ctx.body = 'ok'; break;
    case '/logout': ctx.session = null; ctx.redirect('/'); break;
  }
});
app.listen(Number(process.argv[2]), '127.0.0.1');
