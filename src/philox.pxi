# philox kernels.

cdef void fill_philox(KernelTable* t) noexcept:
    pass
