"""Flask's own sessions: the state is in a signed cookie, a new value at each change."""
import sys
from flask import Flask, redirect, request, session

app = Flask(__name__)
app.secret_key = "0123456789abcdef0123456789abcdef"


@app.get("/")
def index():
    session["seen"] = session.get("seen", 0) + 1
    return f"hello {session.get('user', 'nobody')}"


@app.get("/page")
def page():
    return f"page {session.get('user', 'nobody')}"


@app.get("/asset.css")
def asset():
    return "body {}"


@app.post("/login")
def login():
    session.clear()
    session["user"] = request.form["user"]
    return redirect("/page")


@app.post("/cart")
def cart():
    session["cart"] = session.get("cart", []) + [request.form.get("item", "x")]
    return "ok"


@app.post("/logout")
def logout():
    session.clear()
    return redirect("/")


app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
