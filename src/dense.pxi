# dense kernels.

cdef void fill_dense(KernelTable* t) noexcept:
    pass
