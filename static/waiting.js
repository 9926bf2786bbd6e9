// The waiting page keeps itself current: it asks for itself anew and takes over those parts
// (`data-live`, each with an id) that have changed, until all of them are `data-final`.

const SOONEST_MS = 5_000;
const LATEST_MS = 30_000;

const parts = () => [...document.querySelectorAll("[data-live]")];

for (const button of document.querySelectorAll("[data-look-again]")) button.hidden = true;
keepCurrent();

async function keepCurrent() {
  let pause = SOONEST_MS;
  while (parts().some((part) => !part.hasAttribute("data-final"))) {
    await new Promise((done) => setTimeout(done, pause));
    await untilVisible();
    pause = (await renew()) ? SOONEST_MS : Math.min(pause * 1.5, LATEST_MS);
  }
}

function untilVisible() {
  if (!document.hidden) return undefined;
  return new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
}

/** Whether anything has changed. */
async function renew() {
  const page = await fetchPage();
  if (!page) return false;
  const changed = parts().filter((part) => {
    const fresh = page.getElementById(part.id);
    return fresh && served(fresh) !== served(part);
  });
  for (const part of changed) takeOver(part, page.getElementById(part.id));
  document.dispatchEvent(new Event("renewed"));
  return changed.length > 0;
}

async function fetchPage() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null;
  }
}

/** A part as the server wrote it, before its times were shown in the browser's zone. */
function served(part) {
  const copy = part.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.replaceChildren();
  return copy.outerHTML;
}

function takeOver(part, fresh) {
  const focused = part.contains(document.activeElement) && document.activeElement.id;
  // The element itself stays: a screen reader tells only what changes inside a live one.
  part.replaceChildren(...fresh.childNodes);
  part.toggleAttribute("data-final", fresh.hasAttribute("data-final"));
  if (focused) document.getElementById(focused)?.focus();
}
