"use strict";
const settings = document.getElementById("docs").dataset;

const ui = SwaggerUIBundle({
  domNode: document.getElementById("docs"),
  url: settings.document,
  validatorUrl: null, // nothing is asked of anybody else
  deepLinking: true,
  oauth2RedirectUrl: new URL(settings.base + "/oauth2-redirect.html", location.href).href,
  requestInterceptor(request) {
    // A public client has no secret, and an empty one would be a wrong one.
    if (request.body instanceof URLSearchParams || typeof request.body === "string") {
      const form = new URLSearchParams(request.body);
      if (form.has("grant_type") && form.get("grant_type") !== "client_credentials") {
        if (["", "undefined"].includes(form.get("client_secret"))) form.delete("client_secret");
        request.body = form.toString();
      }
    }
    return request;
  },
});
ui.initOAuth({ clientId: settings.client, usePkceWithAuthorizationCodeGrant: true });

// The answer to the log-in comes from oauth2-redirect.js. Not by window.opener: an issuer may cut it off.
new BroadcastChannel("api-docs").onmessage = ({ data }) => {
  const waiting = window.swaggerUIRedirectOauth2;
  const answer = new URLSearchParams(data);
  if (!waiting || answer.get("state") !== waiting.state) return; // the log-in of another tab
  const fail = (message) => waiting.errCb({ authId: waiting.auth.name, source: "auth", level: "error", message });
  window.swaggerUIRedirectOauth2 = undefined;
  if (answer.get("iss") !== settings.issuer) return fail("The answer is not this issuer's (RFC 9207)."); // mix-up
  if (!answer.get("code")) return fail([answer.get("error"), answer.get("error_description")].filter(Boolean).join(": "));
  waiting.auth.code = answer.get("code");
  waiting.callback({ auth: waiting.auth, redirectUrl: waiting.redirectUrl, isValid: true });
};
