# Rack's cookie store, which Rails' is made of: the state, signed, a new value at each change.
require 'rack'
require 'rack/handler/webrick'

App = lambda do |env|
  request = Rack::Request.new(env)
  session = request.session
  go = ->(to) { [302, { 'location' => to }, []] }
  ok = ->(text) { [200, { 'content-type' => 'text/plain' }, [text]] }
  case request.path
  when '/' then session['seen'] = session['seen'].to_i + 1; ok.call('hello')
  when '/page' then ok.call("page #{session['user']}")
  when '/login' then session.clear; session['user'] = request.params['user']; go.call('/page')
  when '/cart' then session['cart'] = (session['cart'] || []) << request.params['item']; ok.call('ok')
  when '/logout' then session.clear; go.call('/')
  else ok.call('body {}')
  end
end

stack = Rack::Builder.new do
  use Rack::Session::Cookie, secret: '0123456789abcdef' * 4
  run App
end
Rack::Handler::WEBrick.run(stack.to_app, Host: '127.0.0.1', Port: ARGV[0].to_i, AccessLog: [],
                                         Logger: WEBrick::Log.new(File::NULL))
