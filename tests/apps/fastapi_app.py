"""FastAPI: an access token (JWT) and an opaque refresh token, both new at each refresh."""
import secrets
import sys
import time

import jwt
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

KEY = "0123456789abcdef0123456789abcdef"
app = FastAPI()
refresh_tokens = {}


class Login(BaseModel):
    user: str


class Refresh(BaseModel):
    refresh_token: str


def pair(user):
    refresh = secrets.token_urlsafe(32)
    refresh_tokens[refresh] = user
    claims = {"sub": user, "exp": int(time.time()) + 300, "jti": secrets.token_hex(8)}
    return {"access_token": jwt.encode(claims, KEY, "HS256"), "refresh_token": refresh, "token_type": "bearer"}


@app.get("/")
@app.get("/page")
@app.get("/asset.css")
def page():
    return "hello"


@app.post("/login")
def login(who: Login):
    return pair(who.user)


@app.post("/refresh")
def refresh(old: Refresh):
    user = refresh_tokens.pop(old.refresh_token, None)
    if not user:
        raise HTTPException(401)
    return pair(user)


@app.post("/cart")
@app.post("/logout")
def cart(authorization: str | None = Header(None)):
    return "ok"


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
