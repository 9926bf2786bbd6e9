// Points out a likely slip in an email address's domain (`gmial.com`), which may be ignored.

for (const input of document.querySelectorAll("input[data-domains]")) {
  const live = document.getElementById(`${input.id}-live`);
  const look = () => {
    const meant = meantAddress(input.value.trim(), input.dataset.domains.split(" "));
    live.replaceChildren(...(meant ? question(meant, () => take(input, live, meant)) : []));
  };
  input.addEventListener("change", look);
  input.addEventListener("input", () => live.replaceChildren());
  if (input.value) look();
}

function question(meant, take) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = meant;
  button.addEventListener("click", take);
  return ["Did you mean ", button, "?"];
}

function take(input, live, meant) {
  input.value = meant;
  live.replaceChildren();
  input.focus();
}

function meantAddress(address, domains) {
  const at = address.lastIndexOf("@");
  const domain = address.slice(at + 1).toLowerCase();
  if (at < 1 || domains.includes(domain)) return null;
  // Short domains are too close together.
  const meant = domains.find((known) => known.length > 6 && isOneSlip(domain, known));
  return meant ? address.slice(0, at + 1) + meant : null;
}

/** Whether one letter more, one fewer, another one or two swapped neighbours tell them apart. */
function isOneSlip(typed, known) {
  let start = 0;
  while (start < typed.length && typed[start] === known[start]) start += 1;
  const [a, b] = [typed.slice(start), known.slice(start)];
  return (
    a.slice(1) === b.slice(1) ||
    a.slice(1) === b ||
    a === b.slice(1) ||
    (a[0] === b[1] && a[1] === b[0] && a.slice(2) === b.slice(2))
  );
}
