import os

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for

app = Flask(__name__)
app.secret_key = os.environ["SESSION_KEY"]
oauth = OAuth(app)
oauth.register(
    "maru",
    server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)


@app.get("/login")
def login():
    return oauth.maru.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    token = oauth.maru.authorize_access_token()
    session["user"] = token["userinfo"]  # the checked claims of the ID token
    return redirect("/")


@app.get("/")
def home():
    user = session.get("user")
    return f"Hello, {user['name']} <{user['email']}>" if user else redirect("/login")


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]))
