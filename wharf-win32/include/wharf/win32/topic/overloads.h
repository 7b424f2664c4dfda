/* For C++: what lets a call take the address of an `unsigned long`, of a `size_t` or of an `unsigned long long` where it wants that of a
 * DWORD or a ULONG_PTR. Templates, so that NULL never fits two functions. */
#ifndef WHARF_WIN32_OVERLOADS_H
#define WHARF_WIN32_OVERLOADS_H

#include "types.h"

#ifdef __cplusplus
#include <type_traits>

template <class Integer>
using wharf_if_integer = typename std::enable_if<std::is_integral<Integer>::value && sizeof(Integer) >= 4, int>::type;
template <class Integer>
using wharf_if_long = typename std::enable_if<std::is_same<Integer, unsigned long>::value || std::is_same<Integer, long>::value, int>::type;
template <class Integer>
using wharf_if_unsigned = typename std::enable_if<std::is_same<Integer, unsigned int>::value, int>::type;

/* A variable of the right type, which is copied into the caller's at its end: as bytes, since the caller's may stand for a pointer. */
template <class Right, class Given>
class wharf_copy {
public:
    explicit wharf_copy(Given *address) : given(address), value(0) {
        if (given != nullptr)
            __builtin_memcpy(&value, given, sizeof(Given) < sizeof(Right) ? sizeof(Given) : sizeof(Right));
    }
    ~wharf_copy() {
        Given low = (Given)value;
        if (given != nullptr)
            __builtin_memcpy(given, &low, sizeof(Given));
    }
    wharf_copy(const wharf_copy &) = delete;
    wharf_copy &operator=(const wharf_copy &) = delete;
    Right *address() { return given == nullptr ? nullptr : &value; }

private:
    Given *given;
    Right value;
};
#endif

#endif
