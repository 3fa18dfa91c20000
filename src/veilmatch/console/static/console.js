// The keyboard, and nothing else: every page works without this file.
// Keys act only outside of text fields, without Ctrl, Alt or Meta, and only where the person's
// preferences leave them on (WCAG 2.1.4).
"use strict";

(() => {
  const typing = (element) =>
    element instanceof HTMLElement &&
    (element.isContentEditable || /^(TEXTAREA|SELECT)$/.test(element.tagName) ||
      (element.tagName === "INPUT" && !/^(radio|checkbox|button|submit)$/.test(element.type)));

  const groups = () => [...document.querySelectorAll("[data-group]")];
  const current = () => document.querySelector("[data-group].current");

  const go = (group) => {
    if (!group) return;
    for (const one of groups()) one.classList.toggle("current", one === group);
    group.focus({ preventScroll: true });
    group.scrollIntoView({ block: "nearest" });
  };

  const move = (by) => {
    const all = groups();
    const at = all.indexOf(current());
    go(all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]);
  };

  const press = (name) => {
    const place = current() || document;
    const button = place.querySelector(`[data-key="${name}"]`) ||
      document.querySelector(`[data-page-key="${name}"]`);
    if (!button || button.disabled) return false;
    if (/^(TEXTAREA|INPUT|SELECT)$/.test(button.tagName) && typing(button)) button.focus();
    else button.click();
    return true;
  };

  const classify = (digit) => {
    const place = current() || document.querySelector("[data-choices]");
    const choice = place && place.querySelector(`input[data-digit="${digit}"]`);
    if (!choice) return false;
    choice.click();
    choice.focus({ preventScroll: true });
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (document.body.dataset.keys !== "on") return;
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); go(current()); return; }
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    let done = true;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "?") {
      const help = document.getElementById("keys");
      if (help) help.showModal(); else done = false;
    } else if (/^[1-9]$/.test(event.key)) done = classify(event.key);
    else if (/^[a-z]$/.test(event.key)) done = press(event.key);
    else done = false;
    if (done) event.preventDefault();
  });

  document.addEventListener("focusin", (event) => {
    const group = event.target instanceof Element && event.target.closest("[data-group]");
    if (group) for (const one of groups()) one.classList.toggle("current", one === group);
  });

  document.addEventListener("click", (event) => {
    const opener = event.target instanceof Element && event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens)?.showModal();
    const closer = event.target instanceof Element && event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog")?.close();
  });

  // After a part of the page was replaced, the keyboard stays where it was.
  // Settling is at once (frame.html), or it would mark the group again after the person went on.
  document.addEventListener("htmx:afterSwap", (event) => {
    const again = event.detail.target && document.getElementById(event.detail.target.id);
    const group = again && again.closest("[data-group]");
    if (!group) return;
    const moved = groups().some((one) => one !== group && one.classList.contains("current"));
    if (moved) group.classList.remove("current"); else go(group);
  });
  // A refusal is a page of its own: show it, instead of leaving a button that does nothing.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status >= 400) location.reload();
  });
})();
