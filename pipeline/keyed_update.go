package pipeline

import "errors"

// Update puts another configuration in force for the throttles of all keys, those
// that there are and those to come; see Throttle.Update. ConfigOf is asked of each of them. If
// any of the configurations is not valid, none changes. The shared budgets stay as they are.
func (k *Keyed[K]) Update(each Config) error {
	k.updates.Lock()
	defer k.updates.Unlock()
	var f faults
	f.checkShared(k.shared, each)
	each, err := each.inPlaceOf(k.shelf.each) // which only updates change
	if err := errors.Join(append(f, err)...); err != nil {
		return err
	}
	each = each.clone()
	if err := k.try(each); err != nil {
		return err
	}
	all := k.all(func(s *shelf[K]) {
		s.each = each
		s.updates++
	})
	var late []error // of keys that have come since, or of a ConfigOf that has thought again
	for _, e := range all {
		cfg, err := k.config(each, e.key)
		if err == nil {
			err = e.held.Update(cfg)
		}
		late = append(late, err)
	}
	return errors.Join(late...)
}

// try returns the faults that throttles would find in their new configurations.
func (k *Keyed[K]) try(each Config) (err error) {
	if k.configOf == nil {
		return nil
	}
	for _, e := range k.all(nil) {
		cfg, fault := k.config(each, e.key)
		if fault == nil {
			_, fault = cfg.inPlaceOf(*e.held.cfg.Load())
		}
		err = errors.Join(err, fault)
	}
	return err
}
