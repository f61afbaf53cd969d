package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/go-viper/mapstructure/v2"

	"github.com/paceline-go/paceline/stage"
)

// ConfigFromMap makes a Config of a map, such as a JSON, YAML or TOML file is
// read into. Its keys are the names of the fields in snake_case:
//
//	max_concurrency: 20
//	attempt_timeout: 30s
//	retry:   {max_attempts: 5, base_delay: 0.5}
//	budgets: [{name: minute, tokens: 90000, window: 1m}]
//
// A budget of what has a name says counts: output, and one that does not come back has the window
// forever. A duration is a Go duration, "200ms", or a number of seconds. Numbers and
// truth values may be strings. policy is seek, aimd, vegas or static; failure_threshold,
// failure_window, cooling_period and safe_ceiling_decay make it an AIMD with
// those fields. What no file can hold is put into the map as it is: callbacks, a
// logger, a clock, a Policy, also a whole Rate, Breaker, Retry or Budget.
//
// The keys of gentlify do as well: total_tasks, jitter_fraction,
// safe_ceiling_decay_multiplier, token_budget (the first of the budgets),
// circuit_breaker, on_state_change, and failure_predicate (an error of which it
// says false is ignored). The defaults are those of Config.
//
// What is written is meant. An unknown key is an error, and so is a zero that in
// a Config would stand for the default; a zero open_for, window, base_delay,
// max_delay or max_dispatch_interval is as short as can be. A key that is nil is not given.
// Every fault is told at once, each by a *ConfigError with the key as it was
// written.
func ConfigFromMap(m map[string]any) (Config, error) {
	return readConfig(m, nil)
}

// gentlify's names of what paceline calls otherwise, for each map that has
// some. The keys of token_budget and circuit_breaker are gentlify's alone.
var gentlify = map[string]map[string]string{
	"": {
		"total_tasks":                   "total_jobs",
		"jitter_fraction":               "jitter",
		"safe_ceiling_decay_multiplier": "safe_ceiling_decay",
		"token_budget":                  "budgets[0]",
		"circuit_breaker":               "breaker",
		"on_state_change":               "on_event",
	},
	"token_budget": {
		"max_tokens":     "tokens",
		"window_seconds": "window",
	},
	"circuit_breaker": {
		"consecutive_failures": "failures",
		"open_duration":        "open_for",
		"half_open_max_calls":  "probes",
	},
}

// What a zero means that is written, where a Config's zero is a default.
var (
	neverZero = map[string]string{
		"max_concurrency":     "want at least 1",
		"initial_concurrency": "want at least 1",
		"max_pause":           "want above 0, or below 0 for no bound",
		"spread":              "want above 0, at most 1, or below 0 for none",
		"failure_threshold":   "want at least 1",
		"failure_window":      "want above 0",
		"cooling_period":      "want above 0",
		"safe_ceiling_decay":  "want above 0",
		"rate.burst":          "want at least 1",
		"breaker.failures":    "want at least 1",
		"breaker.share":       "want above 0, at most 1, or below 0 for none",
		"breaker.min_jobs":    "want at least 1",
		"breaker.probes":      "want at least 1",
		"retry.max_attempts":  "want at least 1",
		"retry.multiplier":    "want at least 1",
		"retry.give_up_after": "want above 0, or below 0 for never",
	}
	shortest = []string{"max_dispatch_interval", "breaker.open_for", "breaker.window", "retry.base_delay", "retry.max_delay"}
)

// A document has a field for each key at the top of a map.
type document struct {
	Config
	AIMD
	FailurePredicate func(error) bool
}

// An entry is a key and what was given for it.
type entry struct {
	path  string // to the field: breaker.failures
	key   string // with its own path, as it was written: circuit_breaker.consecutive_failures
	value any
}

// A reader reads one map. mapstructure finds the field for each entry; what the
// entry says is for the reader, which knows the key and collects the faults.
type reader struct {
	faults   []error
	refused  map[string]bool         // by key: one fault is enough
	given    map[string]entry        // by path
	variable func(key string) string // that a key was read from; nil: from none
}

func readConfig(m map[string]any, variable func(key string) string) (Config, error) {
	var d document
	r := reader{refused: make(map[string]bool), given: make(map[string]entry), variable: variable}
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: &d, Squash: true, MapFieldName: snake, DecodeHook: r.set,
	})
	if err == nil {
		err = decoder.Decode(entry{value: m})
	}
	if err != nil {
		return Config{}, err // cannot be: set refuses what mapstructure could
	}
	r.setPolicy(&d)
	r.setClassify(&d)
	for _, fault := range d.faults() {
		r.translate(fault.(*ConfigError))
	}
	if len(r.faults) > 0 {
		return Config{}, errors.Join(r.faults...)
	}
	return d.Config, nil
}

// set is given an entry and the field that it is for. It sets the field and
// returns nil, or returns the entries that mapstructure is to go on with.
func (r *reader) set(from, to reflect.Value) (any, error) {
	e := from.Interface().(entry)
	v := reflect.ValueOf(e.value)
	switch {
	case to.Kind() == reflect.Slice:
		return r.list(e), nil
	case to.Kind() == reflect.Struct && v.Kind() == reflect.Map:
		return r.open(e, to.Type()), nil
	case !isPlain(to.Kind()) && v.Type().AssignableTo(to.Type()):
		to.Set(v)
		return nil, nil
	case to.Kind() == reflect.Pointer && to.Type() != reflect.TypeFor[*slog.Logger]():
		return e, nil // the same again for what it points to
	}
	text := ""
	if isPlain(v.Kind()) {
		text = strings.TrimSpace(fmt.Sprint(e.value))
	}
	want, ok := parse(text, to.Addr().Interface())
	switch {
	case !ok, !isPlain(v.Kind()):
		r.refuse(e, want)
	case to.IsZero() && neverZero[e.path] != "":
		r.refuse(e, neverZero[e.path])
	case to.IsZero() && slices.Contains(shortest, e.path):
		to.SetInt(1)
	}
	return nil, nil
}

// open returns the entries of a map, by the fields of t that they are for.
func (r *reader) open(e entry, t reflect.Type) map[string]any {
	values := make(map[string]any)
	for key, value := range reflect.ValueOf(e.value).Seq2() {
		values[fmt.Sprint(key)] = value.Interface()
	}
	names := names(e.key, t)
	entries := make(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field, known := names[key]
		inner := entry{path: join(e.path, field), key: join(e.key, key), value: values[key]}
		if !known {
			r.refuse(inner, "no such key"+suggest(key, names))
			continue
		}
		if isNil(inner.value) {
			continue
		}
		if _, twice := r.given[inner.path]; twice {
			r.refuse(inner, "want none beside "+inner.path+", which is the same")
			continue
		}
		r.given[inner.path] = inner
		entries[field] = inner
	}
	if _, first := entries["budgets[0]"]; first && entries["budgets"] == nil {
		entries["budgets"] = entry{value: []Budget{}}
	}
	return entries
}

// list returns the entries of the budgets, of which token_budget is the first.
func (r *reader) list(e entry) []any {
	var entries []any
	if first, ok := r.given["budgets[0]"]; ok {
		entries = append(entries, first)
	}
	v := reflect.ValueOf(e.value)
	if v.Kind() != reflect.Slice {
		r.refuse(e, "want a list")
		return entries
	}
	for i := range v.Len() {
		inner := entry{
			path:  fmt.Sprintf("budgets[%d]", len(entries)),
			key:   fmt.Sprintf("%s[%d]", e.key, i),
			value: v.Index(i).Interface(),
		}
		r.given[inner.path] = inner
		if isNil(inner.value) {
			entries = append(entries, nil) // Validate will miss its fields
		} else {
			entries = append(entries, inner)
		}
	}
	return entries
}

// setPolicy makes a Policy of the fields of an AIMD, which have none beside any
// other policy.
func (r *reader) setPolicy(d *document) {
	if d.Policy == nil || d.Policy == Policy(AIMD{}) {
		if d.AIMD != (AIMD{}) {
			d.Policy = d.AIMD
		}
		return
	}
	for _, field := range fields(reflect.TypeFor[AIMD]()) {
		if e, ok := r.given[field]; ok {
			r.refuse(e, fmt.Sprintf("want none beside policy %v", r.given["policy"].value))
		}
	}
}

// setClassify makes a Classify of gentlify's predicate.
func (r *reader) setClassify(d *document) {
	if d.FailurePredicate == nil {
		return
	}
	if d.Classify != nil {
		r.refuse(r.given["failure_predicate"], "want none beside classify")
	}
	isFailure := d.FailurePredicate
	d.Classify = func(err error) Verdict {
		verdict := stage.Classify(err)
		if (verdict == Failed || verdict == Overload) && !isFailure(err) {
			return Ignored
		}
		return verdict
	}
}

// refuse adds a fault: of the key or its variable, and where a group of
// variables is at fault, of each of them.
func (r *reader) refuse(e entry, want string) {
	if r.refused[e.key] {
		return
	}
	r.refused[e.key] = true
	group, ok := e.value.(map[string]any)
	if !ok || r.variable == nil {
		r.faults = append(r.faults, &ConfigError{Field: r.name(e.key), Value: e.value, Reason: want})
		return
	}
	for _, key := range slices.Sorted(maps.Keys(group)) {
		if group[key] != nil {
			r.refuse(entry{key: join(e.key, key), value: group[key]}, want)
		}
	}
}

func (r *reader) name(key string) string {
	if r.variable == nil {
		return key
	}
	return r.variable(key)
}

// translate adds a fault of the Config in the words of the map, unless it comes
// from an entry that has been refused.
func (r *reader) translate(fault *ConfigError) {
	path, field, _ := strings.Cut(fault.Field, ".")
	e, given := r.given[fault.Field]
	if !given {
		e = r.missing(path, field, fault.Value)
	} else if !isPlain(reflect.ValueOf(e.value).Kind()) {
		e.value = fault.Value // a Policy, of which this tells more
	}
	if in, given := r.given[path]; !given || !r.refused[in.key] {
		r.refuse(e, fault.Reason)
	}
}

// missing returns the entry of a field that was not given: its value is nil,
// or, if it came with a Policy, a Retry or the like, what it has there.
func (r *reader) missing(path, field string, value any) entry {
	if field == "" {
		return entry{key: path, value: value}
	}
	in := r.given[path]
	for theirs, ours := range gentlify[in.key] {
		if ours == field {
			field = theirs
		}
	}
	if kind := reflect.ValueOf(in.value).Kind(); kind == reflect.Map || kind == reflect.Invalid {
		value = nil
	}
	return entry{key: join(in.key, field), value: value}
}

func isNil(value any) bool {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Func, reflect.Map, reflect.Pointer, reflect.Slice:
		return v.IsNil()
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// names returns the keys that the map under the given key may have, and the
// fields of t that they are for.
func names(key string, t reflect.Type) map[string]string {
	names := make(map[string]string)
	maps.Copy(names, gentlify[key])
	if key != "" && len(names) > 0 {
		return names
	}
	for _, field := range fields(t) {
		names[field] = field
	}
	return names
}

// fields returns the names of t's fields.
func fields(t reflect.Type) []string {
	var names []string
	for _, field := range reflect.VisibleFields(t) {
		if !field.Anonymous {
			names = append(names, snake(field.Name))
		}
	}
	return names
}

// snake returns MaxAttempts as max_attempts.
func snake(name string) string {
	var b strings.Builder
	for i, c := range name {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// suggest asks for the name that is nearest to key, if one is near.
func suggest(key string, names map[string]string) string {
	if len(key) > 64 {
		return "" // twice as long as any name
	}
	near, nearest := max(len(key)/3, 1), ""
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if d := edits(key, name); d <= near {
			near, nearest = d-1, name
		}
	}
	if nearest == "" {
		return ""
	}
	return ", did you mean " + nearest + "?"
}

// edits returns how many bytes have to be put in, left out or changed to make b
// of a (Levenshtein 1966), row by row.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
