# ties kernels.

cdef void fill_ties(KernelTable* t) noexcept:
    pass
