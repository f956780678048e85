// Draws the plots in the page's order, makes tables sortable and rollouts browsable. `vegaEmbed` is bundled in front.
const page = JSON.parse(document.getElementById("page-data").textContent);

// DVC's templates name each row's revision; the page has only one.
const rowsOf = ({ columns, rows }) =>
  rows.map((values) => Object.fromEntries([["rev", ""], ...columns.map((column, at) => [column, values[at]])]));

async function draw(id, { table, spec }) {
  const figure = document.getElementById(id);
  const place = figure.querySelector(".plot");
  const actions = { export: true, source: false, compiled: false, editor: false };
  try {
    const data = { values: rowsOf(page.tables[table]) };
    await vegaEmbed(place, { ...spec, data }, { mode: "vega-lite", renderer: "svg", actions, downloadFileName: spec.description });
    figure.dataset.state = "drawn";
    requestAnimationFrame(() => setTimeout(() => performance.mark("plot"))); // painted by then
  } catch (error) {
    figure.dataset.state = "failed";
    place.innerHTML = '<p class="failed">This plot could not be drawn; the tables below hold its figures.</p>';
    console.error(id, error);
  }
}

async function drawAll() {
  for (const id of Object.keys(page.plots).sort((one, other) => one.localeCompare(other, "en", { numeric: true }))) {
    await draw(id, page.plots[id]);
    await new Promise((resolve) => setTimeout(resolve));
  }
  document.documentElement.dataset.plots = "done";
}

const RANKS = ["easy", "medium", "hard", "unsolved"];
const MISSING = ["–", ""];

// Levels by difficulty, figures by value, names so that r2 comes before r10.
function compare(one, other) {
  const ranks = [RANKS.indexOf(one), RANKS.indexOf(other)];
  if (ranks.every((rank) => rank >= 0)) return ranks[0] - ranks[1];
  const figures = [one, other].map((text) => parseFloat(text.replaceAll(",", "")));
  if (!figures.some(Number.isNaN) && figures[0] !== figures[1]) return figures[0] - figures[1];
  return one.localeCompare(other, "en", { numeric: true });
}

function sortBy(head) {
  const table = head.closest("table");
  const at = [...head.parentNode.children].indexOf(head);
  const falling = head.getAttribute("aria-sort") === "ascending";
  const cell = (row) => row.children[at].textContent.trim();
  const rows = [...table.tBodies[0].rows];
  const [known, missing] = [rows.filter((row) => !MISSING.includes(cell(row))), rows.filter((row) => MISSING.includes(cell(row)))];
  known.sort((one, other) => (falling ? -1 : 1) * compare(cell(one), cell(other)));
  table.tBodies[0].append(...known, ...missing);
  for (const each of head.parentNode.children) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
}

function browse() {
  const form = document.getElementById("browse");
  if (!form) return;
  const articles = [...document.querySelectorAll("article")];
  const show = () => {
    const wanted = [...new FormData(form)].filter(([, value]) => value);
    for (const article of articles) article.hidden = wanted.some(([name, value]) => article.dataset[name] !== value);
    const shown = articles.filter((article) => !article.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${articles.length} shown`;
    return shown;
  };
  const first = articles.find(({ dataset }) => dataset.level === "unsolved") ?? articles[0];
  for (const name of ["round", "source", "level"]) form.elements[name].value = first.dataset[name];
  form.addEventListener("change", show);
  form.hidden = false;
  show();
}

for (const head of document.querySelectorAll("thead th")) head.firstElementChild.addEventListener("click", () => sortBy(head));
addEventListener("beforeprint", () => document.querySelectorAll("details:not(.long)").forEach((each) => (each.open = true)));
browse();
drawAll();
