package main

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	canvas "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// What the pictured services are like: fast enough for smooth lines, with enough in flight to see a limit at work.
const (
	usualRate     = 100
	usualInFlight = 20
)

// picture draws one service of each family into a folder, and says which.
func (p *plan) picture(t *testing.T, w io.Writer, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, family := range p.families {
		s := p.prepare(t, family, p.pictured(family))
		s.length = min(s.length, p.length)
		f := shoot(t, p.contestants[0], s)
		path := filepath.Join(folder, fileName(family))
		if err := os.WriteFile(path, f.draw(), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %s\n%s\n\n", path, f.scenario.about, f.summary())
	}
	return nil
}

// pictured is the number of the most usual service of the first fifty.
func (p *plan) pictured(family string) int {
	if p.only >= 0 {
		return p.only
	}
	far := func(number int) float64 {
		s := p.service(family, number)
		rate := s.rate(0)
		return math.Abs(math.Log(rate/usualRate)) + math.Abs(math.Log(rate*s.latency.mean.Seconds()/usualInFlight))
	}
	best := 0
	for number := range min(p.services, 50) {
		if far(number) < far(best) {
			best = number
		}
	}
	return best
}

func fileName(family string) string {
	return strings.ReplaceAll(strings.ReplaceAll(family, ",", ""), " ", "-") + ".svg"
}

// A panel is a plot and the names of its lines, which stand beside it.
type panel struct {
	*plot.Plot
	names plot.Legend
	every float64 // seconds
}

var (
	grey   = color.RGBA{0xc4, 0xc4, 0xc4, 0xff}
	black  = color.RGBA{0x33, 0x33, 0x33, 0xff}
	blue   = color.RGBA{0x1f, 0x6f, 0xb4, 0xff}
	green  = color.RGBA{0x1b, 0x8a, 0x4b, 0xff}
	orange = color.RGBA{0xe0, 0x7b, 0x00, 0xff}
	red    = color.RGBA{0xd0, 0x21, 0x2a, 0xff}
)

// liberation is drawn with whatever of its width the reader has.
var liberation = font.Font{Typeface: "Liberation", Variant: "Sans"}

const (
	families0  = "font-family:Liberation Sans;"
	familiesIn = "font-family:Liberation Sans,Arial,Helvetica,sans-serif;"
)

const (
	pictureWidth vg.Length = 600 // points, as below: 800 pixels
	panelHeight  vg.Length = 150
	namesWidth   vg.Length = 108
	titleHeight  vg.Length = 34
)

// draw returns the film as SVG.
func (f *film) draw() []byte {
	plot.DefaultFont = liberation
	panels := f.panels()
	height := titleHeight + panelHeight*vg.Length(len(panels))
	svg := vgsvg.New(pictureWidth, height)
	all := canvas.New(svg)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	f.drawTitle(all)
	drawPanels(panels, canvas.Crop(all, 4, 0, 0, -titleHeight))

	var out bytes.Buffer
	_, _ = svg.WriteTo(&out) // a buffer takes everything
	return bytes.ReplaceAll(out.Bytes(), []byte(families0), []byte(familiesIn))
}

func (f *film) drawTitle(all canvas.Canvas) {
	style := canvas.TextStyle{Color: black, Font: font.From(liberation, 9), Handler: plot.DefaultTextHandler, YAlign: canvas.YCenter}
	all.FillText(style, vg.Point{X: 8, Y: all.Max.Y - 0.3*titleHeight}, f.scenario.family+": "+f.scenario.about)
	all.FillText(style, vg.Point{X: 8, Y: all.Max.Y - 0.7*titleHeight}, f.summary())
}

func (f *film) summary() string {
	return fmt.Sprintf("goodput %s of what can be had, %s of the attempts wasted, %s jobs failed",
		percent(f.outcome.Goodput), percent(f.outcome.Wasted), count(f.outcome.Lost))
}

func drawPanels(panels []*panel, all canvas.Canvas) {
	var column [][]*plot.Plot
	for _, p := range panels {
		column = append(column, []*plot.Plot{p.Plot})
	}
	tiles := canvas.Tiles{Rows: len(panels), Cols: 1, PadY: 6, PadBottom: 4}
	plots := canvas.Crop(all, 0, -namesWidth, 0, 0)
	for i, row := range plot.Align(column, tiles, plots) {
		panels[i].Draw(row[0])
		names := row[0]
		names.Min.X, names.Max.X = plots.Max.X+8, all.Max.X
		panels[i].names.Draw(names)
	}
}

// panels are the rates above, and what is in flight below; and for clients that share a service, what each gets.
func (f *film) panels() []*panel {
	rates := f.panel("per second")
	rates.add("true limit", f.rate, truly)
	rates.add("goodput", f.goodput, drawn(green, 1.2))
	rates.add("1 / interval", f.pace, dashed(blue, 0.8))
	rates.add("refused, failed", f.wasted, drawn(red, 0.8))
	rates.frame(top(f.rate, f.goodput))

	flight := f.panel("in flight")
	needed, name := f.concurrency, "true limit"
	if math.IsNaN(slices.Max(needed)) {
		needed, name = f.needed(), "rate × latency"
	}
	flight.add(name, needed, truly)
	flight.add("in flight", f.inFlight, drawn(orange, 0.8))
	flight.add("limit", f.limit, dashed(blue, 0.8))
	flight.frame(top(needed, f.inFlight))

	all := []*panel{rates, flight}
	if len(f.clients) > 1 {
		all = append(all, f.sharing())
	}
	all[len(all)-1].X.Label.Text = "seconds"
	return all
}

// top is the top of an axis: there is room above the truth, and for what is mostly reached, within reason.
func top(truth, reached []float64) float64 {
	most := slices.Max(truth)
	return min(max(1.5*most, 1.1*quantile(reached, 0.98)), 12*most)
}

// needed is how much is in flight at the rate that the service allows (Little's law).
func (f *film) needed() []float64 {
	var all []float64
	for _, r := range f.rate {
		all = append(all, r*f.scenario.latency.mean.Seconds())
	}
	return all
}

// sharing shows the clients beside the fair share.
func (f *film) sharing() *panel {
	var share []float64
	for _, r := range f.rate {
		share = append(share, r/float64(len(f.clients)))
	}
	p := f.panel("per second")
	p.add("fair share", share, truly)
	name := "each client"
	for _, c := range f.clients {
		p.add(name, smooth(c), drawn(green, 0.6))
		name = "" // once is enough
	}
	p.frame(top(share, slices.Concat(f.clients...)))
	return p
}

// smoothly is how many frames make a point of a smooth line.
const smoothly = 5

// smooth leaves the means of some frames, at their last one.
func smooth(values []float64) []float64 {
	smoothed := make([]float64, len(values))
	for i := range values {
		smoothed[i] = math.NaN()
	}
	for i := smoothly; i <= len(values); i += smoothly {
		sum := 0.0
		for _, v := range values[i-smoothly : i] {
			sum += v
		}
		smoothed[i-1] = sum / smoothly
	}
	return smoothed
}

func (f *film) panel(unit string) *panel {
	p := &panel{Plot: plot.New(), names: plot.NewLegend(), every: f.every.Seconds()}
	p.BackgroundColor = nil
	p.Y.Label.Text = unit
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color, a.Label.TextStyle.Color, a.Tick.Label.Color = black, black, black, black
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size = 9, 8
		a.Padding, a.Tick.Length = 0, 4
		a.Tick.Marker = plot.TickerFunc(ticks)
	}
	p.names.TextStyle.Font.Size = 9
	p.names.TextStyle.Color = black
	p.names.Top, p.names.Left = true, true
	p.names.Padding = 3
	return p
}

// frame sets the axes, which lines have stretched; they are cut where they leave it.
func (p *panel) frame(top float64) {
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, frames*p.every, 0, top
}

// ticks are four to eight round numbers from 0 on.
func ticks(_, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(high/4)))
	for _, coarser := range []float64{2, 2.5} { // 1, 2, 5
		if high/step > 8 {
			step *= coarser
		}
	}
	var all []plot.Tick
	for i := 0.0; i*step <= high; i++ {
		all = append(all, plot.Tick{Value: i * step, Label: fmt.Sprintf("%.4g", i*step)})
	}
	return all
}

// truly is how the truth is drawn, behind what is found of it.
var truly = line{LineStyle: canvas.LineStyle{Color: grey, Width: 4}, StepStyle: plotter.PreStep}

// A line is how a line is drawn.
type line = plotter.Line

func drawn(c color.Color, width vg.Length) line {
	return line{LineStyle: canvas.LineStyle{Color: c, Width: width}}
}

func dashed(c color.Color, width vg.Length) line {
	l := drawn(c, width)
	l.Dashes = []vg.Length{4, 2}
	return l
}

// add draws values, interrupted where there are none for long; without a name, or values, it is not listed.
func (p *panel) add(name string, values []float64, l line) {
	var stretch plotter.XYs
	end := func() {
		if len(stretch) > 1 {
			part := l
			part.XYs = stretch
			p.Add(&part)
			if name != "" {
				p.names.Add(name, &l)
				name = ""
			}
		}
		stretch = nil
	}
	missing := 0
	for i, v := range values {
		if math.IsNaN(v) {
			if missing++; missing == smoothly {
				end()
			}
			continue
		}
		missing = 0
		if i > 0 && i+1 < len(values) && values[i-1] == v && v == values[i+1] {
			continue // within a level stretch, its ends are enough
		}
		stretch = append(stretch, plotter.XY{X: float64(i+1) * p.every, Y: v})
	}
	end()
}
