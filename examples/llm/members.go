package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/paceline-go/paceline/examples/command"
)

// member is a key of a pool, with quotas of its own.
type member struct {
	name     string
	provider string
	key      string
	url      string // as the SDK wants it; "": the embedded server
	model    string
	rpm, tpm int64
	prices   prices
}

// members are those of a pool. As a flag, it takes one at a time.
type members []member

// String is what the flag is set to, without the keys.
func (all *members) String() string {
	var names []string
	for _, m := range *all {
		names = append(names, m.name)
	}
	return strings.Join(names, ",")
}

// Set adds a member, whose key is in the environment.
func (all *members) Set(text string) error {
	parts := strings.Split(text, ",")
	if len(parts) != 6 {
		return fmt.Errorf("got %d parts, want six with commas between them: provider,KEYVAR,URL,model,rpm,tpm", len(parts))
	}
	m := member{provider: parts[0], name: parts[1], url: parts[2], model: parts[3], key: os.Getenv(parts[1])}
	var err error
	switch _, known := providers[m.provider]; {
	case !known:
		return fmt.Errorf("provider: got %q, want openai or anthropic", m.provider)
	case m.key == "":
		return fmt.Errorf("KEYVAR: got %q, which is not set; want the name of a variable of the environment with the key", m.name)
	case slices.ContainsFunc(*all, func(n member) bool { return n.name == m.name }):
		return fmt.Errorf("KEYVAR: got %q, want one that no other member has", m.name)
	case m.model == "":
		return fmt.Errorf("model: got nothing, want its name")
	}
	if err = command.CheckURL("URL", m.url); err != nil || m.url == "" {
		return fmt.Errorf("URL: got %q, want that of a server", m.url)
	}
	for _, quota := range []struct {
		name, text string
		to         *int64
	}{{"rpm", parts[4], &m.rpm}, {"tpm", parts[5], &m.tpm}} {
		if *quota.to, err = strconv.ParseInt(quota.text, 10, 64); err != nil || *quota.to < 1 {
			return fmt.Errorf("%s: got %q, want a number, at least 1", quota.name, quota.text)
		}
	}
	*all = append(*all, m)
	return nil
}

// embeddedMembers are three keys of the embedded server.
func (o options) embeddedMembers() members {
	gpt, claude := providers[openAI].model, providers[anthropics].model
	return members{
		{name: "openai-1", key: "openai-1", provider: openAI, model: gpt, rpm: o.rpm, tpm: o.tpm},
		{name: "openai-2", key: "openai-2", provider: openAI, model: gpt, rpm: max(o.rpm/2, 1), tpm: max(o.tpm/2, 1)},
		{name: "anthropic", key: "anthropic", provider: anthropics, model: claude, rpm: max(o.rpm*3/4, 1), tpm: max(o.tpm*3/4, 1)},
	}
}

// completePool checks the options of a pool and fills in its members.
func (o *options) completePool() error {
	const each = "want it for each member"
	switch {
	case o.pool && len(o.members) > 0:
		return fmt.Errorf("-pool: got true beside -member, want one of the two: it is for the embedded server")
	case o.batch != "":
		return fmt.Errorf("-batch: got %q beside a pool, want one key: the file names the models", o.batch)
	case o.baseURL != "":
		return fmt.Errorf("-url: got %q beside a pool, %s", o.baseURL, each)
	case o.key != "":
		return fmt.Errorf("-key: got one beside a pool, %s", each)
	case o.model != "":
		return fmt.Errorf("-model: got %q beside a pool, %s", o.model, each)
	case o.provider != openAI:
		return fmt.Errorf("-provider: got %q beside a pool, %s", o.provider, each)
	case o.itpm > 0:
		return fmt.Errorf("-itpm: got %d beside a pool, want one quota of tokens for each member", o.itpm)
	}
	if o.pool {
		o.members = o.embeddedMembers()
	}
	var models []string
	for i := range o.members {
		m := &o.members[i]
		if m.prices = o.prices; m.prices == (prices{}) {
			m.prices = listPrices[m.model]
		}
		if o.dollars > 0 && m.prices == (prices{}) {
			return fmt.Errorf("-prices: got none, and those of %s are not known; want them, since -dollars is set", m.model)
		}
		models = append(models, m.model)
	}
	slices.Sort(models)
	o.model = "pool of " + strings.Join(slices.Compact(models), " and ")
	return nil
}

// of returns the options of a member, as if it were the only one. Money is one budget for all, in the purse.
func (o options) of(m member) options {
	o.provider, o.key, o.model, o.rpm, o.tpm, o.prices = m.provider, m.key, m.model, m.rpm, m.tpm, m.prices
	o.baseURL, o.dollars, o.members = m.url, 0, nil
	return o
}

// announceMembers says who is asked, and what each may use.
func (r *runner) announceMembers() {
	for i, m := range r.members {
		word := "pool"
		if i > 0 {
			word = ""
		}
		own := r.of(m)
		line(r.out, word, "%s: %s at %s, %s", m.name, own.name(), r.backend.of(own, m), own.quotas())
	}
	if r.embedded() {
		line(r.out, "", "a minute lasts %v there", r.minute)
	}
	if r.dollars > 0 {
		line(r.out, "money", "%s in all, for all members together", inDollars(int64(r.dollars*dollar)))
	}
}

// leave takes note that a member is left out. Without any, no prompt can be answered.
func (r *runner) leave(d departure) {
	r.progress.say(fmt.Sprintf("%s is left out: %v", d.name, d.err))
	if r.gone++; r.gone == len(r.members) {
		r.hopeless = d.err
	}
}
