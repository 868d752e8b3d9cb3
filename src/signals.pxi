# signals kernels.

cdef void fill_signals(KernelTable* t) noexcept:
    pass
