// Make an element like a fresh one, and touch only what differs: focus, selection, scroll positions and open
// <details> live in elements, so elements that stay must stay the same objects.
//
// Elements with an id are found again by it, wherever they have moved. Left alone are: children of [data-keep]
// (a script's own), text of <time> (the clock's), and what is equal by `data-v`.

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    if (old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
    } else {
      old.replaceWith(fresh);
    }
    return;
  }
  if (old.dataset.v && old.dataset.v === fresh.dataset.v) return;
  const isSameTime = old.localName === "time" && old.dateTime === fresh.dateTime;
  morphAttributes(old, fresh);
  if (!isSameTime && !old.hasAttribute("data-keep")) morphChildren(old, fresh);
}

// What people change by using the page is theirs.
const OF_THE_USER = new Set(["open", "value", "checked"]);

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    const isOfTheClock = name === "title" && old.localName === "time";
    if (!fresh.hasAttribute(name) && !OF_THE_USER.has(name) && !isOfTheClock) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (!OF_THE_USER.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  const wanted = new Set([...fresh.children].map((child) => child.id));
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    while (at?.id && !wanted.has(at.id)) at = removed(at);
    const same = next.id ? known.get(next.id) : at && !at.id && at.nodeName === next.nodeName ? at : null;
    // Moving an element takes the focus out of it, so what stands before it goes, and not it to the front.
    while (next.id && same && at !== same && at && !(at.id && wanted.has(at.id))) at = removed(at);
    if (!same) {
      old.insertBefore(next, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    morph(same, next);
  }
  while (at) at = removed(at);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
