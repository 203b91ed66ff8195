// Makes and uses passkeys (WebAuthn): by the button "passkey", and by the browser's own list in the field for the address. What
// the button does stands in its attributes, in the page's language. The server stays the judge. Where a browser has no passkeys,
// the button goes out of sight.
"use strict";
(function () {
  var button = document.getElementById("passkey");
  if (!button) { return; }
  if (!window.PublicKeyCredential || !navigator.credentials || !window.fetch) {
    button.parentNode.hidden = true;
    return;
  }
  var problem = document.getElementById("passkey-problem");
  var waiting = null; // an AbortController, while the browser's own list waits for a choice

  function bytes(text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, function (c) { return c.charCodeAt(0); });
  }

  function text(buffer) {
    var raw = "";
    new Uint8Array(buffer).forEach(function (b) { raw += String.fromCharCode(b); });
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  }

  // decoded are the server's options as the browser takes them. Not every browser can do this itself.
  function decoded(options) {
    var key = options.publicKey;
    key.challenge = bytes(key.challenge);
    if (key.user) { key.user.id = bytes(key.user.id); }
    (key.excludeCredentials || []).concat(key.allowCredentials || []).forEach(function (one) { one.id = bytes(one.id); });
    return key;
  }

  // encoded is the browser's answer as the server takes it. What stands in for a browser often cannot do this itself.
  function encoded(credential) {
    var from = credential.response, response = { clientDataJSON: text(from.clientDataJSON) };
    if (from.attestationObject) {
      response.attestationObject = text(from.attestationObject);
      response.transports = from.getTransports ? from.getTransports() : [];
    } else {
      response.authenticatorData = text(from.authenticatorData);
      response.signature = text(from.signature);
      if (from.userHandle) { response.userHandle = text(from.userHandle); }
    }
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response: response, clientExtensionResults: {} };
  }

  function say(what) {
    problem.textContent = what || "";
    if (what) { problem.scrollIntoView({ block: "nearest" }); }
  }

  // A Told carries what the server said is wrong, in the page's language.
  function Told(what) { this.said = what; }

  function post(url, body) {
    return fetch(url, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), credentials: "same-origin"
    }).then(function (answer) { return answer.json(); }).then(function (reply) {
      if (reply.forget && PublicKeyCredential.signalUnknownCredential) {
        PublicKeyCredential.signalUnknownCredential({ rpId: button.rp, credentialId: reply.forget }).catch(function () {});
      }
      if (reply.problem) { throw new Told(reply.problem); }
      return reply;
    });
  }

  // leave goes where the server says, and never comes back.
  function leave(to) {
    location.assign(to);
    return new Promise(function () {});
  }

  // form is what a page has the person fill in before a passkey is made.
  function form() {
    var fields = {};
    if (button.dataset.form !== undefined) {
      new FormData(document.getElementById(button.dataset.form)).forEach(function (value, name) { fields[name] = value; });
      delete fields.password;
    }
    return fields;
  }

  // filled tells whether the form is filled in, but for the password, and points out what is not.
  function filled() {
    if (button.dataset.form === undefined) { return true; }
    return Array.prototype.every.call(document.getElementById(button.dataset.form).elements, function (field) {
      return field.name === "password" || !field.name || field.reportValidity();
    });
  }

  // ceremony has the browser make or use a passkey, and the server judge it.
  function ceremony(more) {
    return post(button.dataset.begin, form()).then(function (options) {
      if (options.location) { return more.mediation ? new Promise(function () {}) : leave(options.location); }
      button.rp = options.publicKey.rpId || (options.publicKey.rp && options.publicKey.rp.id);
      var request = Object.assign({ publicKey: decoded(options) }, more);
      return button.dataset.makes !== undefined ? navigator.credentials.create(request) : navigator.credentials.get(request);
    }).then(function (credential) {
      button.chosen = true;
      var answer = encoded(credential);
      return post(button.dataset.finish, button.dataset.form === undefined ? answer : { fields: form(), credential: answer });
    }).then(function (reply) { return leave(button.dataset.next || reply.location); });
  }

  function failed(error) {
    var words = button.dataset;
    if (error instanceof Told) {
      say(error.said);
    } else if (error.name === "InvalidStateError") {
      say(words.present);
    } else if (error.name === "NotAllowedError" || error.name === "AbortError") {
      say(words.cancelled);
    } else {
      say(words.unknown);
    }
  }

  button.addEventListener("click", function () {
    if (!filled()) { return; }
    if (waiting) { waiting.abort(); }
    say("");
    button.chosen = false;
    button.disabled = true;
    ceremony({}).catch(failed).then(function () {
      button.disabled = false;
      offer();
    });
  });

  // offer has the browser list its passkeys in the field for the address. A challenge lasts for five minutes, so a page that
  // stays open asks for another one before.
  var renewal = 4 * 60 * 1000;
  function offer() {
    if (button.dataset.autofill === undefined || !window.AbortController || !PublicKeyCredential.isConditionalMediationAvailable) { return; }
    PublicKeyCredential.isConditionalMediationAvailable().then(function (can) {
      if (!can || button.disabled) { return; }
      var mine = waiting = new AbortController(), old = setTimeout(function () { mine.abort("old"); }, renewal);
      ceremony({ mediation: "conditional", signal: mine.signal }).catch(function (error) {
        clearTimeout(old);
        if (waiting === mine) { waiting = null; }
        if (mine.signal.aborted) {
          if (mine.signal.reason === "old") { whenSeen(offer); }
        } else if (button.chosen) { // otherwise nobody asked for anything yet
          button.chosen = false;
          failed(error);
          offer();
        }
      });
    });
  }

  function whenSeen(then) {
    if (!document.hidden) { then(); return; }
    document.addEventListener("visibilitychange", function () { then(); }, { once: true });
  }

  // tidy tells the browser which passkeys of this account there still are.
  function tidy() {
    var own = document.getElementById("own-passkeys");
    if (own && own.dataset.handle && PublicKeyCredential.signalAllAcceptedCredentials) {
      PublicKeyCredential.signalAllAcceptedCredentials({
        rpId: own.dataset.rp, userId: own.dataset.handle, allAcceptedCredentialIds: own.dataset.credentials.split(" ").filter(Boolean)
      }).catch(function () {});
    }
  }

  // A page that can offer a passkey after a log-in by password learns whether this device can make one.
  function learn() {
    var able = document.getElementById("able");
    if (able && PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable) {
      PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().then(function (can) { able.value = can ? "yes" : ""; });
    }
  }

  offer();
  tidy();
  learn();
})();
