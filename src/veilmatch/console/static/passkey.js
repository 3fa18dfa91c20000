// Asks the browser for a passkey, or to make one, and sends the answer with the form. The server
// decides; without this file only the passkey is missing.
"use strict";

(() => {
  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const say = (words) => { form.querySelector("[data-passkey-state]").textContent = words; };

  const ask = (options) => {
    options.challenge = bytes(options.challenge);
    for (const one of options.allowCredentials || options.excludeCredentials || []) {
      one.id = bytes(one.id);
    }
    if (form.dataset.passkeyWay === "get") return navigator.credentials.get({ publicKey: options });
    options.user.id = bytes(options.user.id);
    return navigator.credentials.create({ publicKey: options });
  };

  form.addEventListener("submit", async (event) => {
    if (form.elements.answer.value) return;
    event.preventDefault();
    if (!navigator.credentials) { say("This browser has no passkeys."); return; }
    try {
      const key = await ask(JSON.parse(form.dataset.passkey));
      const response = {};
      for (const name of
        ["attestationObject", "authenticatorData", "clientDataJSON", "signature", "userHandle"]) {
        if (key.response[name]) response[name] = text(key.response[name]);
      }
      form.elements.answer.value = JSON.stringify({
        id: key.id, rawId: text(key.rawId), type: key.type, response,
        clientExtensionResults: key.getClientExtensionResults(),
      });
      form.requestSubmit();
    } catch { say("No passkey was used. Try again when you are ready."); }
  });
})();
