"""Django's sessions: in a database (cycle_key at login, flush at logout) or, with `signed`, in a signed cookie."""
import sys
import tempfile
from wsgiref.simple_server import WSGIServer, make_server
from socketserver import ThreadingMixIn

import django
from django.conf import settings

signed = "signed" in sys.argv
settings.configure(
    SECRET_KEY="0123456789abcdef0123456789abcdef", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends." + ("signed_cookies" if signed else "file"),
    SESSION_FILE_PATH=tempfile.mkdtemp(prefix="django"), DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path


def index(request):
    request.session["seen"] = request.session.get("seen", 0) + 1
    return HttpResponse("hello")


def page(request):
    return HttpResponse("page " + request.session.get("user", "nobody"))


def asset(request):
    return HttpResponse("body {}", content_type="text/css")


def login(request):
    request.session.cycle_key() if not signed else None
    request.session["user"] = request.POST["user"]
    return HttpResponseRedirect("/page")


def cart(request):
    request.session["cart"] = request.session.get("cart", []) + [request.POST.get("item", "x")]
    return HttpResponse("ok")


def logout(request):
    request.session.flush()
    return HttpResponseRedirect("/")


urlpatterns = [path("", index), path("page", page), path("asset.css", asset), path("login", login),
               path("cart", cart), path("logout", logout)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application(), server_class=Server).serve_forever()
