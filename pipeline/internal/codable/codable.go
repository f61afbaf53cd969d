// Package codable says of which types JSON keeps everything.
package codable

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// ComesBack returns an error if JSON leaves out a part of a type, or has no form for it:
// then a result that was read again would not be the one that was stored.
func ComesBack(t reflect.Type) error { return walk{}.look(t, t.String()) }

// A walk looks at the types that a type is made of, at each once.
type walk map[reflect.Type]bool

func (w walk) look(t reflect.Type, name string) error {
	if w[t] {
		return nil
	}
	w[t] = true
	for _, own := range []reflect.Type{t, reflect.PointerTo(t)} {
		if own.Implements(marshaler) || own.Implements(textMarshaler) {
			return nil // it says itself what its form is
		}
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Errorf("%s: got %v, want what JSON has a form for", name, t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("%s: got the interface %v, want a type that JSON can be read into", name, t)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return w.look(t.Elem(), name)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name := t.String() + "." + f.Name
			switch {
			case f.Tag.Get("json") == "-": // left out on purpose
			case !f.IsExported() && !f.Anonymous:
				return fmt.Errorf("%s: got a field that is not exported, which JSON leaves out; want an exported one, or the tag json:\"-\"", name)
			default:
				if err := w.look(f.Type, name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
