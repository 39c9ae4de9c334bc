package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// format prints a value so that its type shows.
func format(v ref.Val) string {
	switch t := v.(type) {
	case types.String:
		return fmt.Sprintf("%q", string(t))
	case types.Bytes:
		return fmt.Sprintf("b%x", []byte(t))
	case types.Uint:
		return fmt.Sprintf("%du", uint64(t))
	case types.Double:
		return fmt.Sprintf("double(%v)", float64(t))
	case types.Int, types.Bool, types.Null:
		return fmt.Sprintf("%v", t.Value())
	case types.Duration:
		return "duration(" + t.Duration.String() + ")"
	case types.Timestamp:
		return "timestamp(" + t.Time.UTC().Format("2006-01-02T15:04:05.999999999Z") + ")"
	case *types.Optional:
		if t.HasValue() {
			return "optional(" + format(t.GetValue()) + ")"
		}
		return "optional.none"
	case traits.Mapper:
		var parts []string
		for it := t.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			parts = append(parts, format(k)+": "+format(t.Get(k)))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	case traits.Lister:
		var parts []string
		for it := t.Iterator(); it.HasNext() == types.True; {
			parts = append(parts, format(it.Next()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *types.Type:
		return "type(" + t.TypeName() + ")"
	}
	s := v.ConvertToType(types.StringType)
	if types.IsError(s) {
		return v.Type().TypeName()
	}
	return fmt.Sprintf("%s(%v)", v.Type().TypeName(), s.Value())
}
