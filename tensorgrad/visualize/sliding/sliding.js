// Every picture on the page that no script has taken up yet.
for (const root of document.querySelectorAll(".tg-conv:not([data-ready])")) {
  root.dataset.ready = "";
  const all = selector => [...root.querySelectorAll(selector)];
  const [play, back, on] = all(".controls button");
  const slider = root.querySelector("input"), output = root.querySelector("output");
  const tabs = all("[role=tab]"), panels = all("[role=tabpanel]");
  const names = root.querySelector(".names"), numbers = root.querySelector(".numbers");
  const scenes = JSON.parse(root.querySelector("[type='application/json']").textContent);
  const reached = scenes.map(() => 0); // the step that each scene is at
  let chosen = 0, timer = null;
  const last = () => scenes[chosen].length - 1;

  function show(step) {
    reached[chosen] = step = Math.max(0, Math.min(step, last()));
    const now = scenes[chosen][step], panel = panels[chosen];
    const toggle = (selector, name, isOn) => panel.querySelectorAll(selector)
      .forEach((element, i) => element.classList.toggle(name, isOn(i)));
    for (const [name, [x, y]] of Object.entries(now.moves))
      panel.querySelector("." + name).style.transform = `translate(${x}px,${y}px)`;
    toggle(".result", "later", i => i > step);
    toggle(".product", "faint", i => now.zeros[i] === 1);
    toggle(".met", "away", i => !now.met.includes(i));
    toggle(".met", "end", i => i === now.met[0] || i === now.met.at(-1));
    panel.querySelectorAll(".product").forEach((text, i) => (text.textContent = now.products[i]));
    names.textContent = now.names;
    numbers.textContent = now.numbers;
    panel.querySelector("svg").setAttribute("aria-label", `${now.names} ${now.numbers}`);
    slider.max = last();
    slider.value = step;
    output.textContent = `${step + 1} of ${last() + 1}`;
    slider.setAttribute("aria-valuetext", output.textContent);
  }

  function choose(number) {
    pause();
    chosen = number;
    panels.forEach((panel, i) => (panel.hidden = i !== number));
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", i === number);
      tab.tabIndex = i === number ? 0 : -1;
    });
    show(reached[number]);
  }

  function setPlaying(playing) {
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    // read out while it plays, every sum would interrupt the one before
    root.querySelector(".sum").setAttribute("aria-live", playing ? "off" : "polite");
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    setPlaying(false);
  }

  function toggle() {
    if (timer !== null) return pause();
    if (reached[chosen] === last()) show(0);
    setPlaying(true);
    timer = setInterval(() => {
      if (!root.isConnected || reached[chosen] === last()) pause();
      else show(reached[chosen] + 1);
    }, 900);
  }

  function go(step) {
    pause();
    show(step);
  }

  play.onclick = toggle;
  back.onclick = () => go(reached[chosen] - 1);
  on.onclick = () => go(reached[chosen] + 1);
  slider.oninput = () => go(Number(slider.value));
  tabs.forEach((tab, i) => (tab.onclick = () => choose(i)));
  for (const panel of panels)
    panel.querySelectorAll(".result").forEach((cell, i) => (cell.onclick = () => go(i)));
  root.onkeydown = event => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { key, target } = event, number = tabs.indexOf(target);
    const side = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (number >= 0 && side) {
      const next = (number + side + tabs.length) % tabs.length;
      choose(next);
      tabs[next].focus();
    } else if (side) go(reached[chosen] + side);
    else if (key === "Home") go(0);
    else if (key === "End") go(last());
    else if (key === " " && target.tagName !== "BUTTON") toggle();
    else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would go to another cell
  };
  choose(tabs.findIndex(tab => tab.getAttribute("aria-selected") === "true"));
}
