"use strict";

// What the page knows, and what it shows of it. The server tells the whole on
// connecting, and once a second what has changed.
const known = { at: 0, back: 60, step: 1, throttles: new Map(), events: new Map(), keys: null }; // keys: of a page of keys alone
const shown = { view: null, events: null }; // components on the page
const mostEvents = 400;

// ---- Numbers and words

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const axisNumber = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const words = {
	running: "running", cooling: "cooling", circuit_open: "circuit open", down: "service down", draining: "draining",
	open: "open", half_open: "half-open",
};
const causes = {
	limit: "the limit", pace: "the pace", budget: "a budget", rate: "the rate", circuit: "the circuit", server: "the server",
};
const why = {
	limit: "as many run as may", pace: "attempts start one after another", budget: "it has too little left", rate: "the configured one is reached",
	circuit: "it is open, or half-open", server: "it asked to be left alone",
};

// reasons are those of the policy, in words.
const reasons = {
	"start": "nothing was refused yet, so it grows",
	"refused at this rate": "attempts that started faster were refused",
	"refused at this many": "with more in flight, attempts were refused",
	"queueing": "with more in flight, attempts only waited for each other at the service",
	"told by the server": "the server told when it takes more",
	"trial": "it tries a little more, to see whether the service takes that",
	"trial held": "it tried more, and the service took that",
	"trial failed": "it tried more, and the service refused that",
	"trial ended": "it tried more, and that showed nothing",
	"down": "the service seems to be down, and is asked now and then",
	"back": "the service works again",
	"chance": "some are refused whatever it does, so that is no reason to slow down",
	"failures": "too many attempts failed",
	"cooled": "nothing has failed for a while",
	"update": "the configuration was changed",
	"recalled": "another process had found that out",
};

// whyNow says in a sentence or two what a throttle does at the moment, and why.
function whyNow(s) {
	const over = { draining: "It takes no new jobs and finishes what it has.", closed: "It is closed: nothing more is done." };
	if (over[s.state]) return over[s.state];
	const used = s.budgets.find((b) => b.remaining <= 0);
	const holds = {
		nothing: s.waiting || s.in_flight ? "Nothing holds attempts up." : "There is nothing to do.",
		limit: s.in_flight < s.concurrency ? "Attempts that back off hold all places." : "As many attempts run as the limit allows: " + count(s.concurrency) + ".",
		pace: "An attempt starts every " + seconds(s.dispatch_interval) + ", no faster.",
		budget: "The budget" + (used ? " " + (used.name || "of " + used.unit) + " is used up" : " has too little left for the next job") + ": jobs wait until there is room in it.",
		rate: "The rate that was configured is reached.",
		circuit: s.circuit === "open" ? "The service failed again and again. It is asked again in " + seconds(Math.ceil(s.circuit_open_for)) + "." : "The service is being asked whether it works again.",
		server: s.paused_for <= 0 ? "What is left of a quota of the server's does not suffice for the next job."
			: (s.quota ? "The server's quota of " + s.quota + " is used up" : "The server asked to wait") + ", for " + seconds(Math.ceil(s.paused_for)) + " more.",
	};
	const aside = s.set_aside > 0 ? " Set aside, since they are refused while others are accepted: " + count(s.set_aside) + "." : "";
	const refused = s.refusing ? " The last " + count(s.last_refused) + " attempts were all refused." : "";
	const because = reasons[s.reason] && s.held_by !== "budget" && s.held_by !== "rate" ? " Why that much: " + reasons[s.reason] + "." : "";
	return (s.state === "down" ? "The service seems to be down: one attempt now and then asks, and no job is lost." : holds[s.held_by] + refused + because + aside);
}

function count(n) { return n === null || n === undefined ? "–" : whole.format(n); }

// brief is count where there is little room.
function brief(n) { return n >= 100000 ? axisNumber.format(n) : count(n); }

// A rate has three digits, but nothing behind the point from 100 on.
function rate(n) {
	if (n === null || n === undefined) return "–";
	return Math.abs(n) >= 100 ? whole.format(n) : three.format(Math.abs(n) < 0.005 ? 0 : n);
}

function seconds(s) {
	if (s === null || s === undefined) return "–";
	if (s === 0) return "0 s";
	if (s < 1e-3) return three.format(s * 1e6) + " µs";
	if (s < 1) return three.format(s * 1e3) + " ms";
	if (s < 60) return three.format(s) + " s";
	const whole = Math.round(s), h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
	if (h >= 48) return Math.floor(h / 24) + " days" + (h % 24 ? " " + h % 24 + " h" : "");
	if (h) return h + " h" + (m ? " " + m + " min" : "");
	return whole % 60 ? m + " min " + (whole % 60) + " s" : m + " min";
}

// eta is told no finer than it is known.
function eta(s) { return s >= 100 * 86400 ? "more than 100 days" : s >= 86400 ? seconds(Math.round(s / 3600) * 3600) : s >= 3600 ? seconds(Math.round(s / 60) * 60) : s >= 600 ? Math.round(s / 60) + " min" : seconds(Math.round(s)); }

// span is for what is told in whole seconds: a window, how far back.
function span(s) { return s === 60 ? "minute" : s === 3600 ? "hour" : s === 86400 ? "day" : seconds(s); }

function percent(share) {
	if (share === null || share === undefined) return "–";
	const p = 100 * share;
	return (p > 0 && p < 0.1 ? "< 0.1" : p < 10 ? (Math.round(10 * p) / 10) : Math.round(p)) + " %";
}

function clock(at, withSeconds = true) {
	const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
	if (withSeconds) options.second = "2-digit";
	return new Date(at * 1000).toLocaleTimeString("en", options);
}

function last(column) { return column.length ? column[column.length - 1] : null; }

function mean(column) {
	const there = column.filter((n) => n !== null);
	return there.length ? there.reduce((a, b) => a + b, 0) / there.length : null;
}

// begin is the time at the left edge. A throttle that is younger than what is looked back at
// begins with its first minute, unless somebody has chosen how far back.
function begin() {
	const from = known.at - known.back;
	if (wanted().back !== "fit") return from;
	const first = Math.min(...[...known.throttles.values()].map((t) => t.history.t[0] ?? known.at));
	return Math.max(from, Math.min(first, known.at - 60));
}

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim(); }

// ---- What is known

// columns are the columns of a history, side by side.
function columns(h) {
	return [h.t, h.concurrency, h.in_flight, h.waiting, h.dispatch_interval, h.goodput, h.refused, h.failed, h.circuit,
		...Object.values(h.held), ...h.budgets];
}

// learn takes in what the server told. It returns false if that does not fit what
// is known, so that the whole is needed again.
function learn(told) {
	known.at = told.at;
	known.back = told.back;
	known.step = told.step;
	known.keys = told.keys || null;
	if (told.whole) {
		known.throttles.clear();
		known.events.clear();
	}
	const names = new Set(told.throttles.map((t) => t.name));
	for (const name of known.throttles.keys()) if (!names.has(name)) known.throttles.delete(name);
	for (const t of told.throttles) {
		const before = known.throttles.get(t.name);
		if (!before) {
			known.throttles.set(t.name, t);
			continue;
		}
		if (budgetsOf(before) !== budgetsOf(t)) return false;
		before.snapshot = t.snapshot;
		append(before.history, t.history);
	}
	for (const e of told.events) known.events.set(e.id, e);
	trimEvents();
	return true;
}

function append(history, more) {
	const to = columns(history), from = columns(more);
	for (let i = 0; i < more.t.length; i++) {
		const again = history.t.length && last(history.t) === more.t[i]; // the newest step, with more in it
		to.forEach((column, c) => {
			if (again) column.pop();
			column.push(from[c][i]);
		});
	}
	while (history.t.length && history.t[0] < known.at - known.back - known.step) to.forEach((column) => column.shift());
}

// budgetsOf tells budgets from others.
function budgetsOf(t) { return JSON.stringify(t.snapshot.budgets.map((b) => [b.name, b.unit, b.tokens, b.window])); }

// trimEvents lets go of the oldest, of the frequent kinds and of the others apart.
function trimEvents() {
	for (const frequent of [true, false]) {
		const ids = [...known.events.values()].filter((e) => isFrequent(e) === frequent).map((e) => e.id).sort((a, b) => a - b);
		for (const id of ids.slice(0, Math.max(0, ids.length - mostEvents / 2))) known.events.delete(id);
	}
}

function isFrequent(e) { return e.subject === "pace" || e.subject === "retries"; }

// ---- Small pieces of the page

function fromTemplate(id) { return document.getElementById(id).content.cloneNode(true); }

// slots are the elements that a component fills, by their data-to.
function slots(root) {
	const found = {};
	for (const el of root.querySelectorAll("[data-to]")) found[el.dataset.to] = el;
	return found;
}

// put changes text only if it is another: what did not change is not read out again.
function put(el, text) { if (el.textContent !== text) el.textContent = text; }

// putFigure sets a number large and its unit small.
function putFigure(el, number, unit) {
	if (!el.firstChild) {
		el.append(document.createElement("span"), document.createElement("small"));
	}
	put(el.firstChild, number);
	put(el.lastChild, unit ? " " + unit : "");
}

function putState(el, s) {
	el.dataset.state = s.state;
	let text = words[s.state] || s.state;
	if (s.circuit === "half_open") text = "circuit half-open";
	if (s.refusing) text = "refused";
	put(el, text);
}

// lastError tells the last error while nothing works, or has ever worked.
function lastError(s) {
	const dead = s.refusing || s.state === "down" || s.state === "circuit_open" || !s.attempts.succeeded;
	return dead && s.last_error ? "last error: " + s.last_error : "";
}

// ---- Charts

const mostOfAStep = 0.5; // a step in which jobs waited longer than this share of it counts as stopped
const axisWidth = 56, padRight = 12;

// A Chart is a figure with a title, a legend that tells the numbers, and uPlot's
// drawing. series: {label, colour, fill, stepped, values(history)}.
class Chart {
	constructor(parent, { title, unit, series, format, axisFormat, most, log, steps, strip }) {
		parent.append(fromTemplate("chart"));
		this.root = parent.lastElementChild;
		this.plot = this.root.querySelector(".plot");
		this.title = title;
		this.format = format;
		this.series = series;
		this.most = most;
		put(this.root.querySelector("h2"), title);
		put(this.root.querySelector(".unit"), unit || "");
		this.legend = series.map((s) => {
			const li = document.createElement("li"), swatch = document.createElement("i"), value = document.createElement("b");
			swatch.style.background = colour(s.colour);
			li.append(swatch, s.label + " ", value);
			this.root.querySelector(".legend").append(li);
			return value;
		});
		if (strip) {
			this.strip = document.createElement("div");
			this.strip.className = "strip";
			this.strip.append(document.createElement("span"), document.createElement("div"), document.createElement("p"));
			put(this.strip.firstChild, "held up");
			this.strip.children[1].setAttribute("role", "img");
			this.root.append(this.strip);
		}
		this.drawing = draw(this.plot, { series, axisFormat: axisFormat || format, most, log, steps, onCursor: () => this.tell() });
	}

	update(history) {
		this.history = history;
		this.data = [history.t, ...this.series.map((s) => s.values(history))];
		this.drawing.circuit = history.circuit;
		this.drawing.setData(this.data);
		this.tell();
		const parts = this.series.map((s, i) => {
			const there = this.data[i + 1].filter((n) => n !== null);
			if (!there.length) return s.label + ": none";
			return s.label + ": now " + this.format(last(this.data[i + 1])) + ", from " + this.format(Math.min(...there)) +
				" to " + this.format(Math.max(...there));
		});
		this.plot.setAttribute("aria-label", this.title + ", the last " + span(known.back) + ". " + parts.join("; ") + ".");
		if (this.strip) this.updateStrip(history);
	}

	// tell tells the numbers under the cursor, or else the newest.
	tell() {
		if (!this.data) return;
		const i = this.drawing.cursor.idx;
		this.legend.forEach((el, s) => {
			const column = this.data[s + 1];
			put(el, this.format(i === null || i === undefined ? last(column) : column[i] ?? null));
		});
	}

	// updateStrip shows what stopped attempts: the circuit, a budget or the server. The
	// limit, the pace and the rate hold attempts up all the time, and stop none.
	updateStrip(history) {
		const bar = this.strip.children[1], from = begin();
		const place = (t) => Math.min(100, Math.max(0, 100 * (t - from) / (known.at - from))).toFixed(2) + "%";
		const looks = { fine: "var(--fine)", half_open: "var(--half)", open: "var(--open)", budget: "var(--budget)", server: "var(--server)" };
		const says = { half_open: "circuit half-open", open: "circuit open", budget: "a budget used up", server: "the server asked to wait" };
		const stopped = (i) => {
			if (history.circuit[i] !== "closed") return history.circuit[i];
			const most = ["budget", "server"].sort((a, b) => history.held[b][i] - history.held[a][i])[0];
			return history.held[most][i] >= mostOfAStep ? most : "fine";
		};
		const stops = ["transparent 0", "transparent " + place(history.t[0] ?? known.at)];
		const steps = {};
		history.t.forEach((t, i) => {
			const by = stopped(i);
			steps[by] = (steps[by] || 0) + 1;
			const colour = history.goodput[i] === null && history.concurrency[i] === null ? "transparent" : looks[by];
			stops.push(colour + " " + place(t), colour + " " + place(history.t[i + 1] ?? known.at));
		});
		bar.style.background = "linear-gradient(to right, " + stops.join(", ") + ")";
		const parts = Object.keys(says).filter((by) => steps[by]).map((by) => says[by] + " " + percent(steps[by] / history.t.length));
		put(this.strip.lastChild, parts.length ? parts.join(", ") + " of the time" : "by no budget, server or circuit");
		bar.setAttribute("aria-label", "What stopped attempts, the last " + span(known.back) + ": " + (parts.join(", ") || "nothing") + ".");
	}

	resize() {
		const { clientWidth: width, clientHeight: height } = this.plot;
		if (width && (width !== this.drawing.width || height !== this.drawing.height)) this.drawing.setSize({ width, height });
	}

	destroy() { this.drawing.destroy(); }
}

// draw begins a drawing of uPlot's. bare: without axes, for a small one.
function draw(plot, { series, axisFormat, most, log, steps, bare, onCursor }) {
	const quiet = colour("quiet"), grid = colour("grid"), shade = colour("shade");
	const font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
	const only = log ? { filter: powers } : {}, lines = steps ? { incrs: steps } : {};
	const axes = bare ? [{ show: false }, { show: false }] : [
		{ stroke: quiet, font, size: 26, incrs: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600], gap: 6, grid: { show: false }, ticks: { stroke: grid, size: 4 },
			space: 72, values: (u, at) => at.map((t) => clock(t, known.at - begin() <= 300)) },
		{ stroke: quiet, font, size: axisWidth, gap: 6, space: 32, grid: { stroke: grid, width: 1, ...only }, ticks: { show: false },
			...only, ...lines, values: (u, at) => at.map((n) => n === null ? null : axisFormat(n)) },
	];
	const options = {
		width: plot.clientWidth || 300,
		height: plot.clientHeight || 160,
		padding: bare ? [2, 0, 0, 0] : [8, padRight, 0, 0],
		legend: { show: false },
		cursor: bare ? { show: false } : { y: false, drag: { x: false, y: false, setScale: false }, sync: { key: "time", setSeries: false }, points: { size: 7 } },
		scales: {
			x: { time: true, range: () => [begin(), known.at] },
			y: log ? { distr: 3, range: decades } : { range: (u, low, high) => [0, most || (high > 0 ? 1.12 * high : 1)] },
		},
		axes,
		series: [{}, ...series.map((s) => ({
			label: s.label,
			stroke: colour(s.colour),
			width: s.width || 1.75,
			fill: s.fill ? colour(s.colour) + "24" : undefined,
			paths: s.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
			points: { show: false },
			dash: s.dash,
		}))],
		hooks: {
			drawClear: [(u) => shadeOpen(u, shade)],
			setCursor: onCursor ? [onCursor] : [],
		},
	};
	return new uPlot(options, [[], ...series.map(() => [])], plot);
}

// decades is the range of a logarithmic scale: whole powers of ten, two at least.
function decades(u, low, high) {
	if (!(high > 0)) return [1e-3, 1];
	const top = Math.ceil(Math.log10(high) + 0.05), bottom = Math.floor(Math.log10(low > 0 ? low : high));
	return [10 ** Math.min(bottom, top - 2), 10 ** top];
}

// powers keeps of a logarithmic scale's lines those at powers of ten.
function powers(u, at) { return at.map((n) => Math.abs(Math.log10(n) - Math.round(Math.log10(n))) < 1e-9 ? n : null); }

// shadeOpen puts a shade behind the times when the circuit was not closed.
function shadeOpen(u, shade) {
	const t = u.data[0], circuit = u.circuit || [];
	const { ctx, bbox } = u;
	ctx.save();
	ctx.fillStyle = shade;
	t.forEach((from, i) => {
		if (circuit[i] === "closed" || circuit[i] === undefined) return;
		const x0 = Math.max(bbox.left, u.valToPos(from, "x", true));
		const x1 = Math.min(bbox.left + bbox.width, u.valToPos(t[i + 1] ?? known.at, "x", true));
		if (x1 > x0) ctx.fillRect(x0, bbox.top, x1 - x0, bbox.height);
	});
	ctx.restore();
}

// ---- One throttle in full

class Full {
	constructor(main, name, many) {
		this.name = name;
		this.root = document.createElement("section");
		this.root.className = "full";
		this.root.append(fromTemplate("full"));
		main.append(this.root);
		this.to = slots(this.root);
		this.root.querySelector(".up").hidden = !many;
		this.charts = [];
		this.budgets = "";
	}

	// draw makes the charts anew: at first, when the budgets or the colours are others.
	draw(t) {
		this.charts.forEach((c) => c.destroy());
		this.charts = [];
		const add = (options) => this.charts.push(new Chart(this.root.querySelector(".panels"), options));
		for (const figure of this.root.querySelectorAll("figure")) figure.remove();
		add({ title: "Goodput and refusals", unit: "per second", format: rate, axisFormat: (n) => axisNumber.format(n), strip: true, series: [
			{ label: "done", colour: "goodput", fill: true, values: (h) => h.goodput },
			{ label: "refused", colour: "refused", fill: true, values: (h) => h.refused },
			{ label: "failed", colour: "failed", values: (h) => h.failed },
		] });
		const attempts = [1, 2, 5].flatMap((n) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((ten) => n * ten)).sort((a, b) => a - b);
		add({ title: "In flight under the limit", unit: "attempts", steps: attempts, format: rate, axisFormat: (n) => axisNumber.format(n), series: [
			{ label: "in flight", colour: "inflight", fill: true, values: (h) => h.in_flight },
			{ label: "limit", colour: "limit", stepped: true, values: (h) => h.concurrency },
		] });
		add({ title: "Interval between dispatches", unit: "each line ten times the one below", log: true,
			format: (n) => n === null ? "none" : seconds(n), series: [
			{ label: "interval", colour: "interval", stepped: true, values: (h) => h.dispatch_interval.map((n) => n || null) }, // none is nowhere on such a scale
		] });
		if (t.snapshot.budgets.length) {
			add({ title: "Budgets", unit: "used, of each", format: percent, most: 1.05, series: t.snapshot.budgets.map((b, i) => ({
				label: b.name || b.unit, colour: "budget-" + (i % 3 + 1), dash: i < 3 ? undefined : [6, 3],
				values: (h) => h.budgets[i] || [],
			})) });
		}
		this.root.querySelector("figure").after(this.root.querySelector(".held")); // in the first row
		this.root.querySelector(".panels").append(this.root.querySelector(".budgets"));
	}

	update() {
		const t = known.throttles.get(this.name);
		put(this.to.name, this.name);
		this.root.classList.toggle("gone", !t);
		if (!t) {
			put(this.to.line, "There is no such throttle at the moment.");
			return;
		}
		if (budgetsOf(t) !== this.budgets) {
			this.budgets = budgetsOf(t);
			this.draw(t);
		}
		this.updateTiles(t);
		this.charts.forEach((c) => c.update(t.history));
		this.updateBudgets(t.snapshot.budgets);
		this.updateHeld(t.history.held);
	}

	updateTiles({ snapshot: s, history: h }) {
		const to = this.to;
		putState(to.state, s);
		put(to.why, whyNow(s));
		put(to.line, s.paused_for > 0 ? "paused for " + seconds(Math.ceil(s.paused_for)) + (s.quota ? ": the server's quota of " + s.quota + " is used up" : ", as the server asked") : lastError(s));
		putFigure(to.goodput, rate(last(h.goodput)), "/s");
		put(to.done, count(s.completed) + " done" + (s.failed ? ", " + count(s.failed) + " failed" : ""));
		const refused = last(h.refused);
		putFigure(to.refused, rate(refused), "/s");
		this.root.classList.toggle("none-refused", !refused);
		const a = s.attempts, all = a.succeeded + a.failed + a.overloaded + a.ignored;
		put(to.wasted, all ? percent(a.overloaded / all) + " of attempts" : "no attempt yet");
		putFigure(to.inflight, brief(s.in_flight), "of " + brief(s.concurrency));
		put(to.most, "never above " + count(s.max_concurrency));
		putFigure(to.interval, s.dispatch_interval ? seconds(s.dispatch_interval) : "none", "");
		put(to.pace, (s.dispatch_interval ? rate(1 / s.dispatch_interval) + " starts a second" : "not paced") + s.limiters.map((l) => "; " + l).join(""));
		put(to.heldby, s.held_by === "nothing" ? "nothing" : causes[s.held_by]);
		put(to.waiting, s.waiting ? count(s.waiting) + " waiting" : "none waiting");
		put(to.circuit, words[s.circuit] || s.circuit);
		to.circuit.dataset.circuit = s.circuit;
		put(to.probe, s.circuit === "open" ? "asks again in " + seconds(Math.ceil(s.circuit_open_for)) : s.circuit === "half_open" ? "asks whether it is back" : "attempts pass");
		to.progress.hidden = !s.total;
		if (s.total) {
			put(to.percentage, Math.floor(10 * s.percentage) / 10 + " %");
			put(to.eta, s.percentage >= 100 ? "done" : s.eta === null ? "not known how long" : eta(s.eta) + " to go");
			to.progress.querySelector("progress").value = s.percentage;
		}
	}

	updateBudgets(budgets) {
		const section = this.root.querySelector(".budgets");
		section.hidden = !budgets.length;
		rows(section.querySelector("ul"), budgets, (b) => ({
			name: b.name || b.unit,
			note: count(b.used) + " of " + count(b.tokens) + " " + b.unit + (b.window ? " in the last " + span(b.window) : " for ever"),
			value: percent(b.used / b.tokens),
			share: b.used / b.tokens,
			colour: "budget-" + (budgets.indexOf(b) % 3 + 1), // as in the chart
		}));
	}

	// updateHeld tells the share of the time shown in which jobs waited, by cause.
	updateHeld(held) {
		const shares = Object.entries(held).map(([cause, column]) => [cause, mean(column) || 0])
			.filter(([, share]) => share >= 0.0005).sort((a, b) => b[1] - a[1]);
		const ul = this.root.querySelector(".held ul");
		rows(ul, shares.length ? shares : [["", 0]], ([cause, share]) => cause === "" ? { name: "Nothing" } : {
			name: causes[cause].replace(/^./, (c) => c.toUpperCase()), note: why[cause], value: percent(share), share,
		});
	}

	redraw() { this.budgets = ""; this.update(); }
	resize() { this.charts.forEach((c) => c.resize()); }
	destroy() { this.charts.forEach((c) => c.destroy()); this.root.remove(); }
}

// rows fills a list with names, numbers and bars.
function rows(ul, items, describe) {
	while (ul.children.length > items.length) ul.lastElementChild.remove();
	items.forEach((item, i) => {
		const d = describe(item);
		let li = ul.children[i];
		if (!li) {
			li = document.createElement("li");
			const name = document.createElement("span"), value = document.createElement("b"), bar = document.createElement("progress");
			name.append(document.createElement("span"), document.createElement("small"));
			bar.max = 1;
			li.append(name, value, bar);
			ul.append(li);
		}
		const [name, value, bar] = li.children;
		put(name.firstChild, d.name);
		put(name.lastChild, d.note ? " " + d.note : "");
		put(value, d.value || "");
		bar.hidden = d.share === undefined;
		bar.value = Math.min(1, d.share || 0);
		bar.setAttribute("aria-label", d.name);
		bar.style.color = d.colour ? "var(--" + d.colour + ")" : "";
	});
}

// ---- All throttles

class Overview {
	constructor(main) {
		this.root = document.createElement("section");
		this.root.append(fromTemplate("overview"));
		main.append(this.root);
		this.cards = new Map();
	}

	update() {
		const list = this.root.querySelector(".cards");
		for (const [name, card] of this.cards) if (!known.throttles.has(name)) { card.destroy(); this.cards.delete(name); }
		const names = [...known.throttles.keys()].sort();
		put(this.root.querySelector(".line"), this.sum());
		names.forEach((name, i) => {
			if (!this.cards.has(name)) this.cards.set(name, new Card(list, name));
			const card = this.cards.get(name);
			if (list.children[i] !== card.root) list.insertBefore(card.root, list.children[i] || null);
			card.update(known.throttles.get(name));
		});
	}

	// sum tells how many there are in which state, and what they do together.
	sum() {
		const all = [...known.throttles.values()], states = new Map();
		if (!all.length) return "There are none at the moment.";
		for (const t of all) states.set(t.snapshot.state, (states.get(t.snapshot.state) || 0) + 1);
		const add = (column) => all.reduce((sum, t) => sum + (last(t.history[column]) || 0), 0);
		return [...states].map(([state, n]) => count(n) + " " + (words[state] || state)).join(", ") + "; in all " +
			rate(add("goodput")) + " done and " + rate(add("refused")) + " refused a second";
	}

	redraw() { for (const card of this.cards.values()) card.draw(); this.update(); }
	resize() { for (const card of this.cards.values()) card.resize(); }
	destroy() { for (const card of this.cards.values()) card.destroy(); this.root.remove(); }
}

class Card {
	constructor(list, name) {
		list.append(fromTemplate("card"));
		this.root = list.lastElementChild;
		this.name = name;
		this.plot = this.root.querySelector(".plot");
		this.to = slots(this.root);
		this.root.querySelector("a").href = place({ throttle: name });
		put(this.to.name, name);
		this.draw();
	}

	draw() {
		if (this.drawing) this.drawing.destroy();
		this.series = [
			{ label: "done", colour: "goodput", fill: true, width: 1.5, values: (h) => h.goodput },
			{ label: "refused", colour: "refused", fill: true, width: 1.5, values: (h) => h.refused },
		];
		this.drawing = draw(this.plot, { bare: true, series: this.series });
	}

	update({ snapshot: s, history: h }) {
		putState(this.to.state, s);
		putFigure(this.to.goodput, rate(last(h.goodput)), "/s");
		putFigure(this.to.inflight, brief(s.in_flight), "of " + brief(s.concurrency));
		putFigure(this.to.refused, rate(last(h.refused)), "/s");
		this.to.refused.classList.toggle("zero", !last(h.refused));
		const parts = [];
		if (lastError(s)) parts.push(lastError(s));
		if (s.total) parts.push(Math.floor(10 * s.percentage) / 10 + " % done");
		parts.push(s.waiting ? count(s.waiting) + " waiting" : "none waiting");
		if (s.held_by !== "nothing") parts.push("held up by " + causes[s.held_by]);
		put(this.to.line, parts.join(", "));
		this.drawing.circuit = h.circuit;
		this.drawing.setData([h.t, ...this.series.map((x) => x.values(h))]);
		this.root.querySelector("a").href = place({ throttle: this.name });
	}

	resize() {
		const { clientWidth: width, clientHeight: height } = this.plot;
		if (width && width !== this.drawing.width) this.drawing.setSize({ width, height });
	}

	destroy() { this.drawing.destroy(); this.root.remove(); }
}

// ---- All keys

class Keys {
	constructor(main) {
		this.root = document.createElement("section");
		this.root.append(fromTemplate("keys"));
		main.append(this.root);
		this.rows = [];
	}

	update() {
		const k = known.keys, all = count(k.count) + (k.count === 1 ? " key" : " keys");
		put(this.root.querySelector(".line"), all + ", " + (k.held_up ? count(k.held_up) + " held up" : "none held up") +
			(k.buffer ? "; " + count(k.inside) + " jobs inside, at most " + count(k.buffer) + " for each run" : "") +
			(known.at - k.at >= 2 ? "; as of " + clock(k.at) : ""));
		const why = this.root.querySelector(".why");
		why.hidden = !k.buffer;
		put(why, k.stopped_by ? "No more jobs are taken until " + k.stopped_by + " has room." : "Jobs are taken as they come.");
		const body = this.root.querySelector("tbody");
		while (this.rows.length > k.rows.length + 1) this.rows.pop().root.remove();
		while (this.rows.length < k.rows.length + 1) {
			body.append(fromTemplate("key"));
			this.rows.push({ root: body.lastElementChild, to: slots(body.lastElementChild) });
		}
		const [sum, ...rows] = this.rows;
		sum.root.className = "sum";
		put(sum.to.key, "All " + all);
		this.fill(sum.to, { ...k, snapshot: k });
		rows.forEach(({ to }, i) => this.fillKey(to, k.rows[i]));
		put(this.root.querySelector(".more"), this.more(k));
	}

	fill(to, { snapshot: s, goodput, refused }) {
		put(to.waiting, count(s.waiting));
		put(to.inflight, count(s.in_flight));
		put(to.goodput, rate(goodput));
		put(to.refused, rate(refused));
		put(to.done, count(s.completed));
		put(to.failed, count(s.failed));
	}

	fillKey(to, row) {
		const s = row.snapshot;
		// What would hold up a job that does not wait yet is said, too.
		const by = s.held_by !== "nothing" ? s.held_by : s.circuit !== "closed" ? "circuit" : s.paused_for > 0 ? "server" : "nothing";
		this.fill(to, row);
		put(to.key, row.key);
		put(to.why, row.held_up ? [whyNow({ ...s, held_by: by }), lastError(s)].filter(Boolean).join(" ") : "");
		put(to.heldby, by !== "nothing" ? causes[by] : s.state === "down" ? "it is down" : "–");
		put(to.inflight, count(s.in_flight) + " of " + count(s.concurrency));
		putState(to.state, s);
	}

	// more tells of the keys that have no row.
	more(k) {
		const more = k.count - k.rows.length, held = k.held_up - k.rows.filter((row) => row.held_up).length;
		if (!more) return "";
		return "and " + count(more) + " more" + (held ? ", " + count(held) + " of them held up" : more === 1 ? " that is not held up" : " that are not held up");
	}

	redraw() { this.update(); }
	resize() {}
	destroy() { this.root.remove(); }
}

// ---- Events

class Events {
	constructor(main) {
		main.append(fromTemplate("events"));
		this.root = main.lastElementChild;
		this.list = this.root.querySelector("ol");
		this.items = new Map();
		this.boxes = [...this.root.querySelectorAll("input")];
		for (const box of this.boxes) box.addEventListener("change", () => this.update());
	}

	update() {
		const hidden = new Set(this.boxes.filter((b) => !b.checked).map((b) => b.name));
		const many = known.throttles.size > 1;
		this.list.classList.toggle("many", many);
		const events = [...known.events.values()].filter((e) => !hidden.has(e.subject)).sort((a, b) => b.id - a.id).slice(0, mostEvents);
		const there = new Set(events.map((e) => e.id));
		for (const [id, li] of this.items) if (!there.has(id)) { li.remove(); this.items.delete(id); }
		events.forEach((e, i) => {
			let li = this.items.get(e.id);
			if (!li) {
				li = document.createElement("li");
				for (const [tag, name] of [["time", "time"], ["span", "whose"], ["span", "about"], ["span", "what"], ["span", "times"]]) {
					const part = document.createElement(tag);
					part.className = name;
					li.append(part);
				}
				this.items.set(e.id, li);
			}
			const [time, whose, about, what, times] = li.children;
			li.dataset.kind = e.kind;
			put(time, clock(e.at));
			time.dateTime = new Date(e.at * 1000).toISOString();
			put(about, e.subject === "lifetime" ? "throttle" : e.subject);
			put(whose, many ? e.throttle : "");
			put(what, e.text);
			put(times, e.times > 1 ? "× " + count(e.times) : "");
			if (this.list.children[i] !== li) this.list.insertBefore(li, this.list.children[i] || null);
		});
		const behind = [...known.events.values()].length - events.length;
		put(this.root.querySelector(".none"), events.length ? "" : behind ? "None but pace changes and retries, which are hidden." : "None yet.");
		this.root.querySelector(".none").hidden = events.length > 0;
	}
}

// ---- What is shown, by the address

function wanted() {
	const at = new URLSearchParams(location.hash.slice(1));
	const back = ["60", "600", "3600"].includes(at.get("back")) ? at.get("back") : "fit";
	return { throttle: at.get("throttle"), back }; // null: all; fit: as far as there is something, up to ten minutes
}

function place(change) {
	const at = new URLSearchParams();
	const { throttle, back } = { ...wanted(), ...change };
	if (throttle !== null) at.set("throttle", throttle);
	if (back !== "fit") at.set("back", back);
	return "#" + at;
}

function show() {
	const { throttle } = wanted(), names = [...known.throttles.keys()];
	const one = throttle ?? (names.length === 1 ? names[0] : null);
	const key = known.keys ? "keys" : JSON.stringify([one, throttle !== null]);
	if (!shown.view || shown.key !== key) {
		shown.view?.destroy();
		const main = document.querySelector("main");
		shown.view = known.keys ? new Keys(main) : one === null ? new Overview(main) : new Full(main, one, throttle !== null);
		shown.key = key;
		if (!shown.events) shown.events = new Events(main);
		main.append(shown.events.root); // behind the rest
		document.title = (one ? one + " · " : "") + "paceline";
	}
	const up = document.querySelector(".up a");
	if (up) up.href = place({ throttle: null });
	document.getElementById("data").href = "data.json?" + query();
	sync();
	shown.view.update();
	shown.events.update();
	shown.events.root.hidden = document.getElementById("back").hidden = known.keys !== null; // of which there is no past
	shown.view.resize();
}

// ---- The stream

const silence = 5000; // milliseconds without a word after which the connection counts as lost
let stream = null, heard = 0;

function query() {
	const { throttle, back } = wanted();
	const q = new URLSearchParams({ back });
	if (throttle !== null) q.set("throttle", throttle);
	return q.toString();
}

function say(state) {
	document.body.className = state;
	put(document.getElementById("link"), state === "live" ? "live" : state === "lost" ? "connection lost, trying again" : "connecting…");
}

function connect() {
	stream?.close();
	heard = Date.now();
	const mine = stream = new EventSource("stream?" + query());
	mine.onmessage = (message) => {
		if (mine !== stream) return;
		heard = Date.now();
		if (!learn(JSON.parse(message.data))) {
			connect();
			return;
		}
		show();
		say("live");
		if (outgrown()) connect();
	};
	mine.onerror = () => { if (mine === stream) say("lost"); };
}

// outgrown reports whether there is more to see than the minute that a fresh throttle begins with.
function outgrown() {
	return wanted().back === "fit" && known.back === 60 && [...known.throttles.values()].some((t) => t.history.t.length >= known.back / known.step);
}

// A browser comes again by itself, but not if the server refused, and not if it
// did not notice that the connection is dead.
setInterval(() => {
	if (!stream || Date.now() - heard < silence) return;
	say("lost");
	connect();
}, 1000);

// Who does not look needs no stream.
document.addEventListener("visibilitychange", () => {
	if (!document.hidden) connect();
	else if (stream) { stream.close(); stream = null; }
});

addEventListener("hashchange", () => {
	sync();
	connect();
	if (known.throttles.size) scrollTo(0, 0);
});

addEventListener("resize", () => shown.view?.resize());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown.view?.redraw());

function sync() {
	const back = wanted().back === "fit" ? String(known.back) : wanted().back;
	for (const radio of document.querySelectorAll("#back input")) radio.checked = radio.value === back;
}

for (const radio of document.querySelectorAll("#back input")) {
	radio.addEventListener("change", () => { location.hash = place({ back: radio.value }); });
}
sync();
connect();
