// Offers the other versions of the site. They are the folders beside the one that this page is in, as the file
// versions.json above them says; a site that stands alone has no such file, and offers none.
(async () => {
  "use strict";
  const label = document.querySelector("label.versions");
  const root = new URL(document.documentElement.dataset.content_root, location.href);
  const answer = await fetch(new URL("../versions.json", root)).catch(() => null);
  if (!label || !answer || !answer.ok) return;

  const { names, stable } = await answer.json();
  const here = root.pathname.split("/").at(-2);
  const select = label.querySelector("select");
  for (const name of names) {
    const shown = name === stable ? `${name} (stable)` : name;
    const chosen = name === here || (here === "stable" && name === stable);
    select.add(new Option(shown, name, chosen, chosen));
  }
  select.addEventListener("change", async () => {
    const target = new URL(`../${select.value}/`, root);
    const same = new URL(location.href.slice(root.href.length), target);
    const there = await fetch(same, { method: "HEAD" }).catch(() => null);
    location.href = there && there.ok ? same : target;
  });
  label.hidden = false;
})();
