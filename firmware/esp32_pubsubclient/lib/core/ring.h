#ifndef STRESSWIRE_RING_H
#define STRESSWIRE_RING_H

#include <stddef.h>
#include <stdint.h>

namespace stresswire {

/// A queue of at most `N` items in place. Full, it refuses: who fills it decides what to lose, and counts it.
template <class T, size_t N>
class Ring {
 public:
  bool push_back(const T& item) {
    if (size_ == N) return false;
    items_[(first_ + size_) % N] = item;
    ++size_;
    return true;
  }
  void pop_front(size_t count = 1) {
    if (count > size_) count = size_;
    first_ = (first_ + count) % N;
    size_ -= count;
  }
  void clear() { pop_front(size_); }
  T& operator[](size_t index) { return items_[(first_ + index) % N]; }
  const T& operator[](size_t index) const { return items_[(first_ + index) % N]; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  static constexpr size_t capacity() { return N; }

 private:
  T items_[N] = {};
  size_t first_ = 0;
  size_t size_ = 0;
};

/// A queue from one task to another, neither of which ever waits. Full, it refuses.
///
/// One task calls `push`, one calls `pop`. `N` is a power of two.
template <class T, size_t N>
class Handoff {
  static_assert(N > 0 && (N & (N - 1)) == 0, "a power of two");

 public:
  bool push(const T& item) {
    const uint32_t tail = __atomic_load_n(&tail_, __ATOMIC_RELAXED);
    if (tail - __atomic_load_n(&head_, __ATOMIC_ACQUIRE) == N) return false;
    items_[tail % N] = item;
    __atomic_store_n(&tail_, tail + 1, __ATOMIC_RELEASE);
    return true;
  }
  bool pop(T* item) {
    const uint32_t head = __atomic_load_n(&head_, __ATOMIC_RELAXED);
    if (head == __atomic_load_n(&tail_, __ATOMIC_ACQUIRE)) return false;
    *item = items_[head % N];
    __atomic_store_n(&head_, head + 1, __ATOMIC_RELEASE);
    return true;
  }
  bool empty() const { return __atomic_load_n(&head_, __ATOMIC_ACQUIRE) == __atomic_load_n(&tail_, __ATOMIC_ACQUIRE); }

 private:
  T items_[N] = {};
  uint32_t head_ = 0;
  uint32_t tail_ = 0;
};

}  // namespace stresswire

#endif
