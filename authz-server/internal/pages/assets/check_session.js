// Tells an application whether the log-in in this browser is still the one that its session_state was made of
// (OpenID Connect Session Management 1.0 §3.2). It answers nobody but the origin that asks, which is a part of what is compared.
// Written so that old engines parse it: what they cannot do is answered with "error".
"use strict";
(function () {
  // What the cookie is called depends on the issuer.
  var name = document.currentScript.getAttribute("data-cookie") + "=";

  function browserState() {
    var cookies = document.cookie.split("; ");
    for (var i = 0; i < cookies.length; i++) {
      if (cookies[i].indexOf(name) === 0) {
        return cookies[i].slice(name.length);
      }
    }
    return "";
  }

  function base64url(buffer) {
    var text = "";
    var bytes = new Uint8Array(buffer);
    for (var i = 0; i < bytes.length; i++) {
      text += String.fromCharCode(bytes[i]);
    }
    return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  }

  // check calls answer with "unchanged", "changed" or "error".
  function check(message, origin, answer) {
    var parts = typeof message === "string" && /^(.+) ([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(message);
    if (!parts) {
      answer("error");
      return;
    }
    var text = new TextEncoder().encode([parts[1], origin, browserState(), parts[3]].join(" "));
    crypto.subtle.digest("SHA-256", text).then(
      function (sum) { answer(base64url(sum) === parts[2] ? "unchanged" : "changed"); },
      function () { answer("error"); }
    );
  }

  addEventListener("message", function (event) {
    if (!event.source || !/^https?:\/\//.test(event.origin)) {
      return; // nobody who could be answered
    }
    function answer(text) { event.source.postMessage(text, event.origin); }
    try {
      check(event.data, event.origin, answer);
    } catch (failure) {
      answer("error");
    }
  });
})();
