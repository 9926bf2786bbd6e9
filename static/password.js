// What a password field says while one types: that Caps Lock is on, letters from another script, a
// space at an end, and where a password is chosen, how strong it is. It advises and never blocks.

const SCRIPTS = [
  "Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Georgian", "Greek", "Han", "Hangul",
  "Hebrew", "Hiragana", "Katakana", "Thai",
];

for (const button of document.querySelectorAll(".show")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  offerToShow(input, button);
  advise(input, document.getElementById(`${input.id}-live`));
}

function offerToShow(input, button) {
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", shown ? "Hide the password" : "Show the password");
  };
  show(false);
  button.hidden = false;
  button.addEventListener("click", () => show(input.type === "password"));
  // Browsers remember what was sent as text.
  input.form.addEventListener("submit", () => show(false));
}

function advise(input, live) {
  const chosenHere = input.autocomplete === "new-password";
  let capsLock = false;
  const say = () => {
    const words = [
      capsLock && "Caps Lock is on.",
      otherScript(input.value),
      spaceAtAnEnd(input.value),
      chosenHere && (tooLong(input) || strength(input.value)),
    ];
    const sentence = words.filter(Boolean).join(" ");
    if (live.textContent !== sentence) live.textContent = sentence;
  };
  const look = (event) => {
    const now = event.getModifierState?.("CapsLock") ?? false;
    if (now === capsLock) return;
    capsLock = now;
    say();
  };
  for (const kind of ["keydown", "keyup", "mousedown"]) input.addEventListener(kind, look);
  input.addEventListener("input", say);
}

function otherScript(text) {
  const found = SCRIPTS.find((script) => new RegExp(`\\p{Script=${script}}`, "u").test(text));
  return found && `You are typing ${found} letters.`;
}

function spaceAtAnEnd(text) {
  if (/^\s/u.test(text)) return "It begins with a space.";
  return /\s$/u.test(text) && "It ends with a space.";
}

function tooLong(input) {
  const most = Number(input.dataset.most);
  const typed = [...input.value].length;
  return most && typed > most && `Too long: ${typed} of at most ${most} characters.`;
}

/** By length and variety alone: bits, as if every character were drawn from the kinds in use. */
function strength(text) {
  if (!text) return "";
  const kinds = [[/\p{Ll}/u, 26], [/\p{Lu}/u, 26], [/\p{N}/u, 10], [/\p{Lo}/u, 64], [/[^\p{L}\p{N}]/u, 32]];
  const pool = kinds.reduce((sum, [kind, size]) => sum + (kind.test(text) ? size : 0), 0);
  const bits = surprises(text) * Math.log2(pool || 1);
  if (bits < 36) return "Strength: weak. Longer is stronger.";
  return bits < 60 ? "Strength: fair." : "Strength: good.";
}

/** How many characters do not merely go on as those before them, as in `aaa`, `123` and `cba`. */
function surprises(text) {
  const points = [...text].map((character) => character.codePointAt(0));
  const steps = points.map((point, n) => point - points[n - 1]);
  return steps.filter((step, n) => !(Math.abs(step) <= 1 && step === steps[n - 1])).length;
}
