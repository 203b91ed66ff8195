// Makes forms friendlier where scripts run: passwords can be shown, Caps Lock is pointed out, and a new password is rated as
// it is typed. The server stays the judge. It also forgets what was just done, so that a reload does not say it again, and
// shows times in the browser's zone where the account names none. The texts are in the page, in its language.
"use strict";
(function () {
  function all(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }

  function below(input, role) {
    var hint = document.createElement("p");
    hint.className = "hint";
    hint.setAttribute("role", role);
    input.parentNode.parentNode.insertBefore(hint, input.parentNode.nextSibling);
    return hint;
  }

  function reveal(input) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "reveal";
    function show(shown) {
      input.type = shown ? "text" : "password";
      button.textContent = input.getAttribute(shown ? "data-hide" : "data-show");
      button.setAttribute("aria-label", button.textContent + ": " + input.labels[0].textContent);
    }
    show(false);
    button.addEventListener("click", function () {
      show(input.type === "password");
      input.focus();
    });
    input.form.addEventListener("submit", function () { show(false); }); // so that browsers offer to keep it
    input.parentNode.appendChild(button);
  }

  function capsLock(input) {
    var hint = below(input, "status");
    function look(event) {
      var on = event.getModifierState && event.getModifierState("CapsLock");
      hint.textContent = on ? input.getAttribute("data-caps") : "";
    }
    input.addEventListener("keydown", look);
    input.addEventListener("keyup", look);
    input.addEventListener("blur", function () { hint.textContent = ""; });
  }

  // rate is a rough guess, from 0 (too short) to 3: the server knows words, keyboards and dates.
  function rate(text, personal) {
    var length = Array.from(text).length;
    if (length < 8) { return 0; }
    var different = {}, kinds = 0;
    Array.from(text).forEach(function (c) { different[c] = true; });
    [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].forEach(function (kind) { kinds += kind.test(text) ? 1 : 0; });
    var mine = personal.some(function (word) { return word.length > 2 && text.toLowerCase().indexOf(word) >= 0 && length < word.length + 8; });
    var score = Object.keys(different).length + 2 * kinds;
    if (mine || /^[0-9 .\-]+$/.test(text) || score < 9) { return 1; }
    return length >= 14 && score >= 14 ? 3 : score >= 11 ? 2 : 1;
  }

  function strength(input) {
    var words = input.getAttribute("data-strength").split("|");
    var meter = document.createElement("meter");
    meter.max = 3; meter.low = 1.5; meter.high = 2.5; meter.optimum = 3;
    meter.setAttribute("aria-hidden", "true");
    var hint = below(input, "status"), text = document.createTextNode("");
    hint.className += " strength";
    hint.hidden = true;
    hint.appendChild(meter);
    hint.appendChild(text);
    input.addEventListener("input", function () {
      var personal = all("#email, #name, [name=email]").map(function (field) { return field.value.toLowerCase().split("@")[0]; });
      var rating = rate(input.value, personal);
      hint.hidden = input.value === "";
      meter.value = rating || 0.3;
      text.data = words[rating];
    });
  }

  all("input[data-show]").forEach(function (input) {
    reveal(input);
    if (input.hasAttribute("data-strength")) { strength(input); }
    capsLock(input);
  });

  // What a person is to keep can be printed and copied, where the browser can.
  all("button[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });
  all("button[data-copy], button[data-copy-of]").forEach(function (button) {
    if (!navigator.clipboard) { return; }
    var text = button.textContent, of = document.getElementById(button.getAttribute("data-copy-of"));
    button.hidden = false;
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(of ? of.textContent : button.getAttribute("data-copy")).then(function () {
        button.textContent = button.getAttribute("data-copied");
        setTimeout(function () { button.textContent = text; }, 3000);
      });
    });
  });

  // The tabs are one row, which scrolls on a narrow screen: the page's own comes into sight.
  all("nav.tabs [aria-current]").forEach(function (tab) {
    var row = tab.parentNode;
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  });

  if (/[?&]done=/.test(location.search) && history.replaceState) {
    history.replaceState(null, "", location.pathname + location.search.replace(/([?&])done=[^&]*&?/, "$1").replace(/[?&]$/, ""));
  }

  all("time[data-local]").forEach(function (time) {
    time.textContent = new Date(time.getAttribute("datetime")).toLocaleString(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });
  });
  all("[data-zone]").forEach(function (note) {
    note.textContent = note.getAttribute("data-zone").replace("{zone}", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    note.hidden = false;
  });
})();
