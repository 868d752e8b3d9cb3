"""Coefficients of the inverse normal distribution for the CUDA kernel: those of src/variant/random/inverse_normal.h.

Words are the bits of the floats, in hexadecimal. ``OCTAVES``: Phi^-1(p) / (1/2 - p) / 2^32 as polynomials of degree 7
in the mantissa less 1.5, one row for each octave of 2^32 p, exponents 119 to 157. ``DOUBLES``: the logarithm (8), the
centre (21) and the tail (22) in float64. A test compares them with the header.
"""

import numpy as np


def _floats(text: str, word: type[np.unsignedinteger], real: type[np.floating]) -> np.ndarray:
    return np.array([int(w, 16) for w in text.split()], dtype=word).view(real)


OCTAVES = _floats("""
    b15fb6a2 2e3f865a ad7a755c 2cdc9200 ac593ae9 2be66c05 ab991fae 2b2f9d4c
    b15c94b3 2e422430 ad7dbeb6 2cdf6911 ac5bfe67 2be953ae ab9b0949 2b31cb99
    b15967a8 2e44dde5 ad8094ce 2ce25c90 ac5edd39 2bec57ce ab9d0572 2b340ef1
    b1562f0b 2e47b574 ad825c2b 2ce56e61 ac61d929 2bef7a3c ab9f155d 2b3668ad
    b152ea5a 2e4aad0a ad8436af 2ce8a094 ac64f42d 2bf2bcfc aba13a56 2b38da42
    b14f990c 2e4dc70c ad8625b9 2cebf56c ac683068 2bf62245 aba375c9 2b3b654c
    b14c3a8b 2e510625 ad882acb 2cef6f68 ac6b9037 2bf9ac82 aba5c947 2b3e0b8c
    b148ce37 2e546d49 ad8a4791 2cf31146 ac6f1630 2bfd5e5f aba83686 2b40cef1
    b1455364 2e57ffc3 ad8c7de2 2cf6de10 ac72c533 2c009d66 abaabf6b 2b43b199
    b141c955 2e5bc142 ad8ecfcd 2cfad924 ac76a069 2c02a284 abad660d 2b46b5df
    b13e2f3e 2e5fb5e9 ad913f9b 2cff0642 ac7aab5b 2c04c05a abb02cbd 2b49de5c
    b13a8442 2e63e262 ad93cfde 2d01b4cc ac7ee9f3 2c06f8e8 abb3160c 2b4d2df2
    b136c76d 2e684bf1 ad968376 2d0403ea ac81b04b 2c094e6c abb624db 2b50a7d8
    b132f7b4 2e6cf893 ad995da1 2d06731c ac840a17 2c0bc36b abb95c5f 2b544fa7
    b12f13f4 2e71ef1f ad9c620c 2d09055b ac868524 2c0e5ab5 abbcc032 2b582966
    b12b1ae9 2e77376c ad9f94e4 2d0bbe03 ac892493 2c11177c abc05464 2b5c39a0
    b1270b2c 2e7cda80 ada2faed 2d0ea0e7 ac8bebf2 2c13fd5b abc41d8e 2b608576
    b122e330 2e81716a ada699a0 2d11b268 ac8edf4f 2c171070 abc820e8 2b6512bb
    b11ea135 2e84ae4a adaa774f 2d14f78a ac920350 2c1a556e abcc6468 2b69e813
    b11a4347 2e882afc adae9b4c 2d18761b ac955d4d 2c1dd1bc abd0eee5 2b6f0d19
    b115c733 2e8befda adb30e24 2d1c34d6 ac98f378 2c218b98 abd5c841 2b748a90
    b1112a77 2e9006b1 adb7d9de 2d203b9c ac9ccd08 2c258a45 abdaf99f 2b7a6a9d
    b10c6a3c 2e947b02 adbd0a54 2d2493aa aca0f270 2c29d63b abe08da9 2b805c88
    b1078342 2e995a36 adc2ad96 2d2947ef aca56da5 2c2e7975 abe690df 2b83c1df
    b10271d0 2e9eb3b9 adc8d46c 2d2e656b acaa4a78 2c337fbe abed1203 2b876d7a
    b0fa634e 2ea498ba adcf92e3 2d33fba6 acaf96fc 2c38f720 abf4229c 2b8b6906
    b0ef7be8 2eab1b51 add700ec 2d3a1d3c acb5640f 2c3ef064 abfbd795 2b8fc007
    b0e4229f 2eb24c4e addf3acd 2d40e077 acbbc5ec 2c457faf ac022502 2b94804f
    b0d84bb7 2eba36a6 ade86112 2d485fca acc2d4c3 2c4cbd28 ac06cc01 2b99ba71
    b0cbeb24 2ec2d6c7 adf2970c 2d50b9df accaad26 2c54c58b ac0bf2c7 2b9f8249
    b0bef5f6 2ecc0b4d adfdfdf5 2d5a1060 acd36fba 2c5dba4c ac11ae85 2ba5ef5d
    b0b16501 2ed57c1a ae055488 2d648390 acdd3f15 2c67c063 ac18174a 2bad1cbd
    b0a33995 2ede7550 ae0c426c 2d7026e7 ace83923 2c72fbbf ac1f4625 2bb5277e
    b09484fa 2ee5b628 ae139503 2d7ce790 acf466c7 2c7f8323 ac274f8d 2bbe29c4
    b085736e 2ee9377f ae1ace97 2d852d16 ad00cc3c 2c86a202 ac3035c2 2bc82e24
    b06cb648 2ee5e756 ae211159 2d8bb27a ad0791f7 2c8de4bc ac39cb6d 2bd3136f
    b04fa32d 2ed70f50 ae257600 2d90d99d ad0dc2d2 2c94ece0 ac437cd1 2bde555f
    b035b007 2eb37cf9 ae29e957 2d91b708 ad125441 2c9a6705 ac4c05e6 2be8b26d
    b02324b2 2e345301 ae4eab79 2d65ae32 ad24cb24 2c9087ad ac59c125 2be9d7b7
""", np.uint32, np.float32)

DOUBLES = _floats("""
    3fe5555555555555 3fd9999999999a38 3fd2492492476c8b 3fcc71c720160332 3fc745cf90196560 3fc3b1c35fbecd94
    3fc0fbe84f5cacb8 3fc0c044ccf38154
    c00f29aec2be3e76 bff69b3eab04ee4f 3f96cd293ae81302 3fa39a9bdc7b5502 bf84037659173d54 bf467c4b069118f6
    3f4ce9e28dcf64bc bf1e14721a751926 bf0a37bcb2d3dbc9 3ef3952912fc5640 3ea8e93e82be6501 bebc908d871fe5dc
    3e908270e2ef3911 3e7af2e4eb0dc4b4 be650a3623e17ed2 be1c08e215130758 3e2f8161877218b9 bdff24476f88bab1
    bdef7f990c7e80e3 3dcbd0a0581de42e 3da062d995d8cfcd
    3ff42a0f539c4e0b bfbff058fde932e4 bf926bafa84ff2a6 3f5e1e1d9722d854 bf326f30aa1a179e 3f0e08c0716fc73e
    beee201b56bf8589 3ed13d4090999042 beb569fd9f387b53 3e9c29e77ed467bc be83602422bdf2e5 3e6bb0881e6fcffd
    be547ae2d728e557 3e3f065b8ce823a1 be272447c142082a 3e122d04308137e5 be02b48d09d9e131 3deec3a858519af2
    bd80fe95bfcbf296 bd61bf169346cd2c bdc4b2883068b764 3db1c3950ecf5286
""", np.uint64, np.float64)
