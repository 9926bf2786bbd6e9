// The region box: an editable combobox with list autocomplete and manual selection, as the ARIA
// Authoring Practices describe it. Typing brings hints, choosing one sets the text and its id, and
// typing on takes the id back. Without this script the server answers a text with a list of radio
// buttons; where that list is on the page, both ways work.

const input = document.getElementById("region");
const live = document.getElementById("region-live");
const radios = [...document.querySelectorAll("input[type=radio][name=region_id]")];
const id = document.querySelector("input[type=hidden][name=region_id]") ?? hiddenInput();
const list = document.createElement("ul");

let chosen = { text: input.value, id: id.value };
let active = -1;
let asking = new AbortController();
/** What becomes of the question under way: whether its hints were shown. */
let question = null;

/** Letters that Unicode takes for letters of their own, as people type them. */
const unaccented = { ø: "o", ł: "l", đ: "d", ı: "i", ß: "ss", æ: "ae", œ: "oe", þ: "th", ð: "d" };

const GAP_PX = 12;
const SLOW_AFTER_MS = 1_000;

list.id = "region-list";
list.hidden = true;
setAttributes(list, { role: "listbox", "aria-label": "Regions" });
setAttributes(input, {
  role: "combobox",
  "aria-autocomplete": "list",
  "aria-expanded": "false",
  "aria-controls": list.id,
});
input.after(list);

input.addEventListener("input", () => {
  id.value = input.value === chosen.text ? chosen.id : "";
  for (const radio of radios) radio.checked = radio.value === id.value;
  activate(-1);
  if (id.value) close();
  else ask();
});
input.addEventListener("click", () => list.hidden && !id.value && ask());
input.addEventListener("blur", () => {
  close();
  if (input.value.trim() && !id.value) live.textContent = "Choose your region from the hints.";
});
input.addEventListener("keydown", (event) => {
  // While an input method composes a word, its keys are its own.
  if (event.isComposing || event.keyCode === 229 || event.altKey || event.ctrlKey || event.metaKey) return;
  if (keys[event.key]?.()) event.preventDefault();
});

// The field keeps the focus when the list is pressed.
list.addEventListener("mousedown", (event) => event.preventDefault());
list.addEventListener("click", (event) => choose(event.target.closest("li")));
// A keyboard on the screen takes the room away that the list had.
visualViewport.addEventListener("resize", place);

for (const radio of radios) {
  // One form sends one region_id: from now on the hidden one.
  radio.name = "region_choice";
  const take = () => choose({ dataset: { id: radio.value, text: radio.labels[0].dataset.text } });
  radio.addEventListener("change", take);
  if (radio.checked) take();
}

/** Each key's deed, which answers whether the key is thereby spent. */
const keys = {
  ArrowDown: () => onceAnswered(() => move(active + 1)),
  ArrowUp: () => onceAnswered(() => move(active < 0 ? list.children.length - 1 : active - 1)),
  ArrowLeft: () => activate(-1),
  ArrowRight: () => activate(-1),
  Home: () => activate(-1),
  End: () => activate(-1),
  Enter: () => {
    if (list.hidden && !question) return false;
    // A text alone is never enough, so Enter leads to the first hint rather than to a refusal.
    return onceAnswered(() => (active < 0 ? activate(0) : choose(list.children[active])));
  },
  Escape: () => {
    const nothingToRestore = id.value || !chosen.id;
    if (list.hidden && nothingToRestore) return false;
    close();
    if (chosen.id) choose({ dataset: chosen });
    return true;
  },
  Tab: () => {
    if (active >= 0) choose(list.children[active]);
    return false;
  },
};

/** Asks for hints to what is typed; a question that the text has moved on from is dropped. */
function ask() {
  asking.abort();
  asking = new AbortController();
  const typed = input.value.trim();
  if (!typed) return close();
  const asked = answer(typed, asking.signal);
  question = asked;
  asked.finally(() => {
    if (question === asked) question = null;
  });
}

/** Whether the hints came and were shown. */
async function answer(typed, signal) {
  const slow = setTimeout(() => {
    setOpen(false);
    live.textContent = "Looking …";
  }, SLOW_AFTER_MS);
  try {
    const response = await fetch(`/regions?q=${encodeURIComponent(typed)}`, { signal });
    if (!response.ok) throw new Error(response.statusText);
    const { regions } = await response.json();
    if (!signal.aborted) show(regions, typed);
  } catch {
    if (signal.aborted) return false;
    close();
    live.textContent = "There are no hints at the moment. Go on: you can choose after you send this.";
  } finally {
    clearTimeout(slow);
  }
  return !signal.aborted;
}

/** Does what a key asks for when the hints are those of the text. The key is spent. */
function onceAnswered(deed) {
  if (list.hidden && !question) ask();
  if (question) question.then((shown) => shown && !list.hidden && deed());
  else if (!list.hidden) deed();
  return true;
}

function show(regions, typed) {
  list.replaceChildren(...regions.map((region, position) => option(region, position, typed)));
  activate(-1);
  setOpen(regions.length > 0);
  live.textContent = count(regions.length);
}

function count(hints) {
  if (hints === 0) return "Nothing found. Try another spelling.";
  return hints === 1 ? "1 region found." : `${hints} regions found.`;
}

function option(region, position, typed) {
  const text = region.within ? `${region.name}, ${region.within}` : region.name;
  const item = document.createElement("li");
  item.id = `region-option-${position}`;
  setAttributes(item, { role: "option", "aria-selected": "false", dir: "auto" });
  Object.assign(item.dataset, { id: region.id, text });
  item.append(...marked(text, typed));
  if (region.via) {
    const via = document.createElement("small");
    via.dir = "auto";
    via.append(...marked(region.via, typed));
    item.append(" — ", via);
  }
  return item;
}

/** The text in pieces, with what was typed marked where it begins a word: the whole, or each word. */
function marked(text, typed) {
  const { letters, places } = fold(text);
  const whole = fold(typed).letters;
  const words = wordStart(letters, whole) < 0 ? whole.split(/[^\p{L}\p{N}]+/u).filter(Boolean) : [whole];
  const found = words
    .map((word) => ({ at: wordStart(letters, word), word }))
    .filter(({ at }) => at >= 0)
    .sort((one, other) => one.at - other.at);
  const pieces = [];
  let done = 0;
  for (const { at, word } of found) {
    const start = places[at];
    // A letter that was typed in half is marked whole, with the accents that follow it.
    const end = places.slice(at).find((place) => place > places[at + word.length - 1]) ?? text.length;
    if (start < done) continue;
    const mark = document.createElement("mark");
    mark.textContent = text.slice(start, end);
    pieces.push(text.slice(done, start), mark);
    done = end;
  }
  return [...pieces, text.slice(done)];
}

/** Where a word of the text begins so, or -1. */
function wordStart(letters, typed) {
  let at = typed ? letters.indexOf(typed) : -1;
  while (at > 0 && /[\p{L}\p{N}]/u.test(letters[at - 1])) at = letters.indexOf(typed, at + 1);
  return at;
}

/** The text without case and accents, and for each of its letters the place it came from. */
function fold(text) {
  let letters = "";
  const places = [];
  let place = 0;
  for (const character of text) {
    // A syllable of Hangul falls into its letters, so that half of one is found in it.
    const bare = character.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    const plain = unaccented[bare] ?? bare;
    for (let n = 0; n < plain.length; n += 1) places.push(place);
    letters += plain;
    place += character.length;
  }
  return { letters, places };
}

/** Moves to the hint at a position, round past either end. */
function move(position) {
  const hints = list.children.length;
  activate((position + hints) % hints);
}

/** Makes the hint at a position the active one; -1 leaves the caret to the text alone. */
function activate(position) {
  list.children[active]?.setAttribute("aria-selected", "false");
  active = position;
  const item = list.children[active];
  if (item) {
    item.setAttribute("aria-selected", "true");
    item.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", item.id);
  } else {
    input.removeAttribute("aria-activedescendant");
  }
  return false;
}

function choose(item) {
  if (!item) return;
  chosen = { text: item.dataset.text, id: item.dataset.id };
  input.value = chosen.text;
  id.value = chosen.id;
  for (const radio of radios) radio.checked = radio.value === chosen.id;
  close();
  live.textContent = `Region chosen: ${chosen.text}.`;
}

function close() {
  asking.abort();
  activate(-1);
  setOpen(false);
}

function setOpen(open) {
  list.hidden = !open;
  input.setAttribute("aria-expanded", String(open));
  place();
}

/** Gives the list the room below the field, scrolling for more as long as the field stays in sight. */
function place() {
  if (list.hidden) return;
  list.style.maxHeight = "";
  const top = visualViewport.offsetTop;
  const room = () => top + visualViewport.height - input.getBoundingClientRect().bottom - GAP_PX;
  const lacking = list.offsetHeight - room();
  if (lacking > 0) scrollBy(0, Math.min(lacking, input.getBoundingClientRect().top - top - GAP_PX));
  list.style.maxHeight = `min(22rem, ${room()}px)`;
}

function hiddenInput() {
  const hidden = document.createElement("input");
  hidden.type = "hidden";
  hidden.name = "region_id";
  input.after(hidden);
  return hidden;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
