# AMP002: kept
import torch
import torch.nn.functional as F


import asyncio


async def score(x):
    return torch.sigmoid(x)


async def go(x, y):
    p = await score(x)
    l = F.binary_cross_entropy(p, y)
    q = await score(x)
    r = await asyncio.gather(score(x))
    return p, l, q, r


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    return asyncio.run(go(x[:, :1], y))
