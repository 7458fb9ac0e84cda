"""Layers that are unfrozen behind an optimizer that lacks them (OPT001)."""

from __future__ import annotations

from .operators import written

_GROUP = (
    '            optimizer.add_param_group({"params": model.backbone.parameters(), "lr": 1e-5})\n'
)
_UNFREEZE = {
    "by-attribute": "for parameter in model.parameters():\n{i}parameter.requires_grad = True",
    "by-method": "model.requires_grad_(True)",
    "by-names": (
        "for name, parameter in model.named_parameters():\n"
        '{i}if "layer4" in name:\n{i}    parameter.requires_grad_(True)'
    ),
    "one-block": "for parameter in model.layer4.parameters():\n{i}parameter.requires_grad = True",
    "by-children": (
        "for child in list(model.children())[-3:]:\n"
        "{i}for p in child.parameters():\n{i}    p.requires_grad = True"
    ),
}
_HEAD = "optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.01, momentum=0.9)"
_OPTIMIZERS = {
    "head-alone": _HEAD,
    "filter": (
        "optimizer = torch.optim.SGD("
        "filter(lambda p: p.requires_grad, model.parameters()), lr=0.01)"
    ),
    "comprehension": (
        "optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])"
    ),
}


def _register(optimizer: str, unfreeze: str) -> None:
    """In the training function, of a network that another function has frozen."""
    body = _UNFREEZE[unfreeze].format(i=" " * 16)
    edits = [
        (
            "        model.train()\n",
            f"        if epoch == 3:\n            {body}\n        model.train()\n",
        )
    ]
    edits.append((_HEAD, _OPTIMIZERS[optimizer]))
    mark = _OPTIMIZERS[optimizer]
    written("OPT001", f"{optimizer}-then-{unfreeze}", mark, *edits)


_MAKER = (
    "    def make_optimizer(self, rate):\n"
    "        trained = filter(lambda p: p.requires_grad, self.model.parameters())\n"
    "        return torch.optim.AdamW(trained, lr=rate)\n\n"
)

for _optimizer in _OPTIMIZERS:
    for _unfreeze in _UNFREEZE:
        _register(_optimizer, _unfreeze)

written(
    "OPT001",
    "group-not-added",
    "optimizer = torch.optim.AdamW(trainable",
    (
        _GROUP,
        "",
    ),
)
written(
    "OPT001",
    "group-of-another-layer",
    "optimizer = torch.optim.AdamW(trainable",
    (
        _GROUP,
        "            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)\n",
    ),
    (
        "        score = validate",
        "        if epoch >= 5:\n            scheduler.step()\n        score = validate",
    ),
)
written(
    "OPT001",
    "optimizer-kept-in-a-class",
    "return torch.optim.AdamW(trained, lr=rate)",
    ("                self.optimizer = self.make_optimizer(2e-5)\n", ""),
)
written(
    "OPT001",
    "optimizer-of-the-head-in-a-class",
    "self.optimizer = torch.optim.AdamW(self.model.head.parameters()",
    (_MAKER, ""),
    ("                self.optimizer = self.make_optimizer(2e-5)\n", ""),
    (
        "self.optimizer = self.make_optimizer(1e-3)",
        "self.optimizer = torch.optim.AdamW(self.model.head.parameters(), lr=1e-3)",
    ),
)
written(
    "OPT001",
    "one-optimizer-before-the-stages",
    "optimizer = torch.optim.AdamW(trained, lr=1e-3)",
    ("        self.optimizer = self.make_optimizer(1e-3)\n", ""),
    (
        "        best = 0.0\n        for stage",
        "        trained = [p for p in self.model.parameters() if p.requires_grad]\n"
        "        optimizer = torch.optim.AdamW(trained, lr=1e-3)\n"
        "        best = 0.0\n        for stage",
    ),
    (_MAKER, ""),
    ("                self.optimizer = self.make_optimizer(2e-5)\n", ""),
    ("    def epoch(self, loader):", "    def epoch(self, loader, optimizer):"),
    ("self.optimizer.zero_grad()", "optimizer.zero_grad()"),
    ("self.optimizer.step()", "optimizer.step()"),
    ("self.epoch(train_loader)", "self.epoch(train_loader, optimizer)"),
)
written(
    "OPT001",
    "warm-up-of-the-classifier",
    "optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-3)",
    (
        "    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)\n"
        "    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)",
        "    model.conv.requires_grad_(False)\n"
        "    optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-3)\n"
        "    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)",
    ),
    (
        "        loss = run_epoch(model, train_loader",
        "        model.conv.requires_grad_(epoch >= 2)\n"
        "        loss = run_epoch(model, train_loader",
    ),
)
written(
    "OPT001",
    "warm-up-in-two-loops",
    "optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-3)",
    (
        "    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)\n"
        "    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)",
        "    model.conv.requires_grad_(False)\n"
        "    optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-3)\n"
        "    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)\n"
        "    for _ in range(3):\n"
        "        run_epoch(model, train_loader, criterion, optimizer, device)\n"
        "    model.conv.requires_grad_(True)",
    ),
)
written(
    "OPT001",
    "encoder-frozen-by-a-helper",
    "optimizer = torch.optim.AdamW(trained, lr=args.lr)",
    (
        "def make_data(rows):",
        "def set_trained(module, flag):\n    for p in module.parameters():\n"
        "        p.requires_grad = flag\n\n\ndef make_data(rows):",
    ),
    (
        "    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)\n",
        "    set_trained(model.encoder, False)\n"
        "    trained = filter(lambda p: p.requires_grad, model.parameters())\n"
        "    optimizer = torch.optim.AdamW(trained, lr=args.lr)\n",
    ),
    (
        "        loss = train(args, model",
        "        if epoch == 4:\n            set_trained(model.encoder, True)\n"
        "        loss = train(args, model",
    ),
)
