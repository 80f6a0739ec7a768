package funcs

import (
	"errors"
	"fmt"
	"math"
	"reflect"
)

func mathFunctions() []function {
	entry := func(name, signature, summary, example, output string, f any) function {
		return function{Doc{Name: name, Signature: signature, Summary: summary, Example: example, Output: output}, is(f)}
	}
	return []function{
		entry("add", "add B A", "A + B. Of an integer and a float it is a float.", `{{ 8 | add 2 }} {{ add 1 0.5 }}`, `10 1.5`, add),
		entry("subtract", "subtract B A", "A - B: the number to take away comes first, which suits pipelines.", `{{ 8 | subtract 2 }}`, `6`, subtract),
		entry("multiply", "multiply B A", "A × B.", `{{ 8 | multiply 2 }}`, `16`, multiply),
		entry("divide", "divide B A", "A / B, rounded towards zero where both are integers.", `{{ 7 | divide 2 }} {{ 7 | divide 2.0 }}`, `3 3.5`, divide),
		entry("modulo", "modulo B A", "What is left of A after division by B; of integers only.", `{{ 7 | modulo 4 }}`, `3`, modulo),
		entry("minimum", "minimum B A", "The smaller of two numbers.", `{{ minimum 3 7 }}`, `3`, minimum),
		entry("maximum", "maximum B A", "The greater of two numbers.", `{{ maximum 3 7 }}`, `7`, maximum),
	}
}

func add(b, a any) (any, error) {
	return arithmetic(b, a, func(a, b int64) int64 { return a + b }, func(a, b uint64) uint64 { return a + b }, func(a, b float64) float64 { return a + b })
}

func subtract(b, a any) (any, error) {
	return arithmetic(b, a, func(a, b int64) int64 { return a - b }, func(a, b uint64) uint64 { return a - b }, func(a, b float64) float64 { return a - b })
}

func multiply(b, a any) (any, error) {
	return arithmetic(b, a, func(a, b int64) int64 { return a * b }, func(a, b uint64) uint64 { return a * b }, func(a, b float64) float64 { return a * b })
}

var errDivideByZero = errors.New("divide by zero")

func divide(b, a any) (any, error) {
	if x, y := numberOf(a), numberOf(b); x.kind != isFloat && y.kind != isFloat && y.isZero() {
		return nil, errDivideByZero
	}
	return arithmetic(b, a, func(a, b int64) int64 { return a / b }, func(a, b uint64) uint64 { return a / b }, func(a, b float64) float64 { return a / b })
}

func modulo(b, a any) (any, error) {
	x, y := numberOf(a), numberOf(b)
	if x.kind == isFloat || y.kind == isFloat {
		return nil, errors.New("modulo is for integers, not floats")
	}
	if y.isZero() {
		return nil, errDivideByZero
	}
	return arithmetic(b, a, func(a, b int64) int64 { return a % b }, func(a, b uint64) uint64 { return a % b }, math.Mod)
}

func minimum(b, a any) (any, error) { return choose(b, a, func(c int) bool { return c <= 0 }) }
func maximum(b, a any) (any, error) { return choose(b, a, func(c int) bool { return c >= 0 }) }

// A number is what templates count with, whatever Go type it has.
type number struct {
	kind numberKind
	i    int64
	u    uint64
	f    float64
}

type numberKind int

const (
	notANumber numberKind = iota
	isInt
	isUint
	isFloat
)

func numberOf(v any) number {
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
	case r.CanInt():
		return number{kind: isInt, i: r.Int()}
	case r.CanUint():
		return number{kind: isUint, u: r.Uint()}
	case r.CanFloat():
		return number{kind: isFloat, f: r.Float()}
	}
	return number{}
}

func (n number) isZero() bool {
	return n.kind == isInt && n.i == 0 || n.kind == isUint && n.u == 0 || n.kind == isFloat && n.f == 0
}

func (n number) float() float64 {
	switch n.kind {
	case isInt:
		return float64(n.i)
	case isUint:
		return float64(n.u)
	}
	return n.f
}

func (n number) int() int64 {
	if n.kind == isUint {
		return int64(n.u)
	}
	return n.i
}

func (n number) value() any {
	switch n.kind {
	case isInt:
		return n.i
	case isUint:
		return n.u
	}
	return n.f
}

// numbers takes two arguments as numbers.
func numbers(b, a any) (y, x number, err error) {
	y, x = numberOf(b), numberOf(a)
	for _, arg := range [...]struct {
		n number
		v any
	}{{y, b}, {x, a}} {
		if arg.n.kind == notANumber {
			return y, x, fmt.Errorf("unknown type: a %T is no number; parseInt or parseFloat makes one of a text", arg.v)
		}
	}
	return y, x, nil
}

// arithmetic works in floats where one number is a float, in unsigned integers where both are, else in integers. Integers
// wrap around.
func arithmetic(b, a any, ints func(a, b int64) int64, uints func(a, b uint64) uint64, floats func(a, b float64) float64) (any, error) {
	y, x, err := numbers(b, a)
	switch {
	case err != nil:
		return nil, err
	case x.kind == isFloat || y.kind == isFloat:
		return floats(x.float(), y.float()), nil
	case x.kind == isUint && y.kind == isUint:
		return uints(x.u, y.u), nil
	}
	return ints(x.int(), y.int()), nil
}

// choose returns b where it compares to a as wanted, else a; the result keeps its kind.
func choose(b, a any, wanted func(int) bool) (any, error) {
	y, x, err := numbers(b, a)
	if err != nil {
		return nil, err
	}
	if wanted(compare(y, x)) {
		return y.value(), nil
	}
	return x.value(), nil
}

func compare(x, y number) int {
	switch {
	case x.kind == isFloat || y.kind == isFloat:
		return order3(x.float(), y.float())
	case x.kind == isInt && y.kind == isInt:
		return order3(x.i, y.i)
	case x.kind == isInt && x.i < 0:
		return -1
	case y.kind == isInt && y.i < 0:
		return 1
	}
	return order3(uint64(x.int()), uint64(y.int()))
}

func order3[T int64 | uint64 | float64](x, y T) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
