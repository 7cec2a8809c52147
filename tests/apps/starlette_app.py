"""Starlette's SessionMiddleware: state in a signed cookie, which is set at every response."""
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route
from urllib.parse import parse_qs


async def form(request):
    return {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}


async def index(request):
    request.session["seen"] = request.session.get("seen", 0) + 1
    return PlainTextResponse("hello")


async def page(request):
    return PlainTextResponse("page " + request.session.get("user", "nobody"))


async def asset(request):
    return PlainTextResponse("body {}")


async def login(request):
    request.session.clear()
    request.session["user"] = (await form(request))["user"]
    return RedirectResponse("/page", 302)


async def cart(request):
    request.session["cart"] = request.session.get("cart", 0) + 1
    return PlainTextResponse("ok")


async def logout(request):
    request.session.clear()
    return RedirectResponse("/", 302)


app = Starlette(
    routes=[Route("/", index), Route("/page", page), Route("/asset.css", asset),
            Route("/login", login, methods=["POST"]), Route("/cart", cart, methods=["POST"]),
            Route("/logout", logout, methods=["POST"])],
    middleware=[Middleware(SessionMiddleware, secret_key="0123456789abcdef0123456789abcdef")],
)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
