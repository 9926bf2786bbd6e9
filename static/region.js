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
  id.value = "";
  for (const radio of radios) radio.checked = false;
  ask();
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

for (const radio of radios) {
  // One form sends one region_id: from now on the hidden one.
  radio.name = "region_choice";
  const take = () => choose({ dataset: { id: radio.value, text: radio.labels[0].dataset.text } });
  radio.addEventListener("change", take);
  if (radio.checked) take();
}

/** Each key's deed, which answers whether the key is thereby spent. */
const keys = {
  ArrowDown: () => move(active + 1),
  ArrowUp: () => move(active < 0 ? list.children.length - 1 : active - 1),
  Home: () => activate(-1),
  End: () => activate(-1),
  Enter: () => {
    if (list.hidden || !list.children.length) return false;
    // A text alone is never enough, so Enter leads to the first hint rather than to a refusal.
    if (active < 0) activate(0);
    else choose(list.children[active]);
    return true;
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
async function ask() {
  asking.abort();
  asking = new AbortController();
  if (!input.value.trim()) return close();
  try {
    const address = `/regions?q=${encodeURIComponent(input.value)}`;
    const answer = await fetch(address, { signal: asking.signal });
    if (answer.ok) show((await answer.json()).regions);
    else close();
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

function show(regions) {
  list.replaceChildren(...regions.map(option));
  activate(-1);
  setOpen(regions.length > 0);
  live.textContent = count(regions.length);
}

function count(hints) {
  if (hints === 0) return "Nothing found. Try another spelling.";
  return hints === 1 ? "1 region found." : `${hints} regions found.`;
}

function option(region, position) {
  const text = region.within ? `${region.name}, ${region.within}` : region.name;
  const item = document.createElement("li");
  item.id = `region-option-${position}`;
  setAttributes(item, { role: "option", "aria-selected": "false" });
  Object.assign(item.dataset, { id: region.id, text });
  item.append(...marked(text));
  if (region.via) {
    const via = document.createElement("small");
    via.append(...marked(region.via));
    item.append(" ", via);
  }
  return item;
}

/** The text in pieces, with the part that was typed marked, where it stands at a word's start. */
function marked(text) {
  const { folded, places } = fold(text);
  const typed = fold(input.value.trim()).folded;
  let at = folded.indexOf(typed);
  while (at > 0 && /[\p{L}\p{N}]/u.test(folded[at - 1])) at = folded.indexOf(typed, at + 1);
  if (at < 0) return [text];
  const [start, end] = [places[at], places[at + typed.length] ?? text.length];
  const mark = document.createElement("mark");
  mark.textContent = text.slice(start, end);
  return [text.slice(0, start), mark, text.slice(end)];
}

/** The text without case and accents, and for each of its characters the place it came from. */
function fold(text) {
  let folded = "";
  const places = [];
  let place = 0;
  for (const character of text) {
    const bare = character.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    for (let n = 0; n < bare.length; n += 1) places.push(place);
    folded += bare;
    place += character.length;
  }
  return { folded, places };
}

/** Moves to the hint at a position, round past either end; opens the list where it is shut. */
function move(position) {
  const hints = list.children.length;
  if (list.hidden) ask().then(() => list.hidden || activate(0));
  else activate((position + hints) % hints);
  return true;
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
  live.textContent = "Region chosen.";
}

function close() {
  asking.abort();
  activate(-1);
  setOpen(false);
}

function setOpen(open) {
  const opens = open && list.hidden;
  list.hidden = !open;
  if (opens) list.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-expanded", String(open));
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
