package function

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// quantity is a Kubernetes quantity: an exact number, and whether it was written with binary suffixes.
type quantity struct {
	number *big.Rat
	binary bool
}

type suffix struct {
	text  string
	scale *big.Rat
}

func power(base, exponent int64) *big.Rat {
	n := new(big.Int).Exp(big.NewInt(base), big.NewInt(max(exponent, -exponent)), nil)
	if exponent < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), n)
	}
	return new(big.Rat).SetInt(n)
}

// binarySuffixes and decimalSuffixes go from the largest to the smallest.
func binarySuffixes() []suffix {
	return []suffix{
		{"Ei", power(2, 60)},
		{"Pi", power(2, 50)},
		{"Ti", power(2, 40)},
		{"Gi", power(2, 30)},
		{"Mi", power(2, 20)},
		{"Ki", power(2, 10)},
	}
}

func decimalSuffixes() []suffix {
	return []suffix{
		{
			"E",
			power(10, 18),
		}, {"P", power(10, 15)}, {"T", power(10, 12)}, {"G", power(10, 9)}, {"M", power(10, 6)}, {"k", power(10, 3)},
		{"", power(10, 0)}, {"m", power(10, -3)}, {"u", power(10, -6)}, {"n", power(10, -9)},
	}
}

// maxQuantity bounds the text of a quantity; nothing that Kubernetes accepts is near it.
const maxQuantity = 64

func parseQuantity(s string) (quantity, error) {
	s = strings.TrimSpace(s)
	invalid := fmt.Errorf("invalid quantity %.40q such as 500m, 2 or 128Mi", s)
	if s == "" || len(s) > maxQuantity {
		return quantity{}, invalid
	}
	end := len(s)
	for end > 0 && (s[end-1] >= 'a' && s[end-1] <= 'z' || s[end-1] >= 'A' && s[end-1] <= 'Z') {
		end--
	}
	digits, unit := s[:end], s[end:]
	scale, isBinary, ok := scaleOf(unit)
	if mantissa, exponent, found := strings.Cut(strings.ToLower(s), "e"); !ok || found && unit == "" {
		n, err := strconv.ParseInt(exponent, 10, 64)
		if !found || err != nil || n < -18 || n > 18 {
			return quantity{}, invalid
		}
		digits, scale = mantissa, power(10, n)
	}
	if strings.Trim(digits, "0123456789.+-") != "" {
		return quantity{}, invalid
	}
	number, ok := new(big.Rat).SetString(digits)
	if !ok {
		return quantity{}, invalid
	}
	return quantity{number: number.Mul(number, scale), binary: isBinary}, nil
}

func scaleOf(unit string) (scale *big.Rat, isBinary, ok bool) {
	for _, s := range binarySuffixes() {
		if s.text == unit {
			return s.scale, true, true
		}
	}
	for _, s := range decimalSuffixes() {
		if s.text == unit {
			return s.scale, false, true
		}
	}
	return nil, false, false
}

// text writes the quantity with the largest suffix that leaves a whole number, rounded up to a billionth as
// Kubernetes does.
func (q quantity) text() string {
	suffixes := decimalSuffixes()
	if q.binary && q.number.IsInt() {
		suffixes = append(binarySuffixes(), suffix{"", power(10, 0)})
	}
	if q.number.Sign() == 0 {
		return "0"
	}
	for _, s := range suffixes {
		if scaled := new(big.Rat).Quo(q.number, s.scale); scaled.IsInt() {
			return scaled.Num().String() + s.text
		}
	}
	nano := new(big.Rat).Quo(q.number, power(10, -9))
	whole := new(big.Int).Quo(nano.Num(), nano.Denom())
	if nano.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return quantity{number: new(big.Rat).Mul(new(big.Rat).SetInt(whole), power(10, -9))}.text()
}

func (q quantity) operate(operator string, other quantity) (any, error) {
	result := new(big.Rat)
	switch operator {
	case "+":
		result.Add(q.number, other.number)
	case "-":
		result.Sub(q.number, other.number)
	case "*":
		result.Mul(q.number, other.number)
	case "/":
		if other.number.Sign() == 0 {
			return nil, errDivisionByZero
		}
		result.Quo(q.number, other.number)
	case "min", "max":
		if (q.number.Cmp(other.number) <= 0) == (operator == "min") {
			return q.text(), nil
		}
		return other.text(), nil
	default:
		return q.compare(operator, other)
	}
	if q.binary || other.binary {
		result = roundUp(result)
	}
	return quantity{number: result, binary: q.binary || other.binary}.text(), nil
}

// roundUp rounds bytes up to whole ones: a binary quantity has no fraction.
func roundUp(r *big.Rat) *big.Rat {
	if r.IsInt() {
		return r
	}
	whole := new(big.Int).Quo(r.Num(), r.Denom())
	if r.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return new(big.Rat).SetInt(whole)
}

func (q quantity) compare(operator string, other quantity) (any, error) {
	n := q.number.Cmp(other.number)
	switch operator {
	case "<":
		return n < 0, nil
	case "<=":
		return n <= 0, nil
	case "==":
		return n == 0, nil
	case ">=":
		return n >= 0, nil
	case ">":
		return n > 0, nil
	default:
		return nil, fmt.Errorf("unknown operator %.10q; the operators are + - * / min max < <= == >= >",
			operator)
	}
}
