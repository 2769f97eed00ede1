// A slider and a copy button out of the page's own elements: reachable by keyboard and named for screen readers.

function rounded(value, digits) {
  return Number(value.toPrecision(digits));
}

function slider(model, el) {
  const id = `wsss-${Math.random().toString(36).slice(2)}`; // each slider has this module for itself: no counter would do
  const [low, high, steps, log] = ["low", "high", "steps", "log"].map((name) => model.get(name));
  const label = document.createElement("label");
  const input = document.createElement("input");
  const output = document.createElement("output");
  const help = document.createElement("small");
  label.textContent = model.get("label");
  label.htmlFor = id;
  Object.assign(input, { id, type: "range", min: 0, max: steps, step: 1 });
  input.setAttribute("aria-describedby", `${id}-help`);
  output.htmlFor = id;
  Object.assign(help, { id: `${id}-help`, textContent: model.get("help") });

  const valueAt = (place) => {
    const share = place / steps;
    return rounded(log ? low * (high / low) ** share : low + share * (high - low), log ? 3 : 6);
  };
  const placeOf = (value) =>
    Math.round(steps * (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low)));
  const say = (value) => {
    const text = `${rounded(value, 4)}${model.get("unit") ? " " + model.get("unit") : ""}`;
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  const show = () => {
    input.value = placeOf(model.get("value"));
    say(model.get("value"));
  };
  const send = () => {
    model.set("value", valueAt(Number(input.value)));
    model.save_changes();
  };
  input.addEventListener("input", () => (model.get("continuous") ? send() : say(valueAt(Number(input.value)))));
  input.addEventListener("change", send);
  input.addEventListener("keydown", (event) => event.stopPropagation()); // else JupyterLab takes arrow keys to walk through cells
  model.on("change:value", show);
  show();
  el.classList.add("wsss-slider");
  el.append(label, input, output, help);
}

function copyButton(model, el) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jupyter-button";
  button.textContent = model.get("label");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(model.get("text"));
      model.set("copied", true);
    } catch {
      model.set("copied", false); // no permission, or the page is not served from this machine: the file is there
    }
    model.set("clicks", model.get("clicks") + 1);
    model.save_changes();
  });
  el.append(button);
}

export default {
  render({ model, el }) {
    (model.get("kind") === "slider" ? slider : copyButton)(model, el);
  },
};
