#ifndef STRESSWIRE_MEDIAN_H
#define STRESSWIRE_MEDIAN_H

#include <stddef.h>

namespace stresswire {

/// Sorts a few values in place.
template <class T>
void sort(T* values, size_t count) {
  for (size_t i = 1; i < count; ++i) {
    const T value = values[i];
    size_t j = i;
    for (; j > 0 && value < values[j - 1]; --j) values[j] = values[j - 1];
    values[j] = value;
  }
}

/// The middle one; of an even number the mean of the two. Sorts them; `count` is at least 1.
inline float median(float* values, size_t count) {
  sort(values, count);
  return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

}  // namespace stresswire

#endif
