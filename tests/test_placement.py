"""Which loads can meet tensors of a device that the run does not have."""

from __future__ import annotations

import pytest

from trainlint.diagnostics import Confidence
from trainlint.registry import shipped
from trainlint.testing import check_text

RULE = next(rule for rule in shipped().rules if rule.code == "CKP001")
CHOSEN = 'device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\n'
NET = "import torch\nfrom torch import nn\n"


def _confidence(text: str) -> Confidence | None:
    found = check_text(RULE, text)
    assert len(found) < 2
    return found[0].confidence if found else None


SWITCH = NET + (
    "import argparse\nparser = argparse.ArgumentParser()\n"
    'parser.add_argument("--cuda", action={}, default={})\nargs = parser.parse_args()\n'
)
SWITCHED = (
    'net = nn.Linear(3, 1)\nnet.load_state_dict(torch.load("net.pt"))\n'
    "if args.cuda:\n    net.cuda()\n"
)
LIKELY = {
    "a GPU is used behind it where that is asked for": NET
    + "def restore(net, path, use_cuda):\n    net.load_state_dict(torch.load(path))\n"
    + "    if use_cuda:\n        net.cuda()\n",
    "the device is what there is": NET
    + CHOSEN
    + "def restore(net, path):\n    net.load_state_dict(torch.load(path))\n",
    "the device is a setting": NET
    + "def restore(net, path, args):\n"
    + "    net.to(args.device)\n"
    + "    state = torch.load(path)\n"
    + '    net.load_state_dict(state["net"])\n',
    "the GPU is used behind a switch": NET
    + "def restore(net, path, use_cuda):\n"
    + "    if use_cuda:\n        net.cuda()\n"
    + "    net.load_state_dict(torch.load(path))\n",
    "a trainer takes what there is": NET
    + CHOSEN
    + "from pytorch_lightning import Trainer\n"
    + "def fit(net, path):\n"
    + "    trainer = Trainer(gpus=1 if torch.cuda.is_available() else 0)\n"
    + "    net.load_state_dict(torch.load(path))\n    trainer.fit(net)\n",
    "it is loaded where no GPU is asked for": NET
    + CHOSEN
    + "def restore(net, path, no_cuda):\n"
    + "    if no_cuda:\n        net.load_state_dict(torch.load(path))\n",
    "every process loads to the device of the first": NET
    + "def restore(net, path, rank):\n"
    + '    torch.distributed.init_process_group("nccl")\n'
    + "    net.cuda(rank)\n"
    + "    net.load_state_dict(torch.load(path))\n",
    "only the epoch of a checkpoint is read": NET
    + CHOSEN
    + 'def begin(path):\n    return torch.load(path)["epoch"] + 1\n',
    "the state of an optimizer that is saved": NET
    + CHOSEN
    + "def begin(net, optimizer, path):\n"
    + '    optimizer.load_state_dict(torch.load(path / "optimizer.pt"))\n'
    + "    for epoch in range(3):\n"
    + '        torch.save(optimizer.state_dict(), path / "optimizer.pt")\n',
    "one of two calls lets the function load": NET
    + CHOSEN
    + "def build(pretrained):\n"
    + "    net = nn.Linear(3, 1)\n"
    + '    if pretrained:\n        net.load_state_dict(torch.load("net.pt"))\n'
    + "    return net\n"
    + "models = build(False), build(True)\n",
    "a setting of the script keeps it from the load for now": "RESUME = False\n"
    + NET
    + CHOSEN
    + "def build():\n"
    + "    net = nn.Linear(3, 1)\n"
    + '    if RESUME:\n        net.load_state_dict(torch.load("net.pt"))\n'
    + "    return net\n"
    + "model = build().to(device)\n",
    "the model was back from the CPU when it was saved": NET
    + CHOSEN
    + "def keep(net, path):\n"
    + "    net.cpu()\n    print(net)\n    net.to(device)\n"
    + "    torch.save(net.state_dict(), path)\n"
    + "def restore(net, path):\n    net.load_state_dict(torch.load(path))\n",
    "a whole model": NET
    + CHOSEN
    + "def restored(path):\n    whole = torch.load(path)\n    whole.eval()\n    return whole\n",
    "it is loaded before the training": NET
    + CHOSEN
    + "def fit(net, loader, optimizer, path):\n"
    + "    net.load_state_dict(torch.load(path))\n"
    + "    for x, y in loader:\n"
    + "        nn.functional.mse_loss(net(x), y).backward()\n"
    + "        optimizer.step()\n"
    + "    torch.save(net.state_dict(), path)\n",
    "weights are trained on that something else saves": NET
    + CHOSEN
    + "from .files import save_states\n"
    + "def fit(net, loader, optimizer, path):\n"
    + "    net.load_state_dict(torch.load(path))\n"
    + "    for x, y in loader:\n"
    + "        nn.functional.mse_loss(net(x), y).backward()\n"
    + "        optimizer.step()\n"
    + "    save_states(net, path)\n",
    "only a loss goes to the CPU before it is saved": NET
    + CHOSEN
    + "def keep(net, path, loss):\n"
    + '    torch.save({"net": net.state_dict(), "loss": loss.cpu()}, path)\n'
    + 'def restore(net, path):\n    net.load_state_dict(torch.load(path)["net"])\n',
    "one call that lets it load goes on without a GPU": NET
    + "def build(weights=None):\n"
    + "    net = nn.Linear(3, 1)\n"
    + "    if weights:\n        net.load_state_dict(torch.load(weights))\n"
    + "    return net\n"
    + 'def train():\n    net = build("net.pt")\n'
    + '    net.to("cuda" if torch.cuda.is_available() else "cpu")\n'
    + 'def review():\n    net = build("net.pt")\n    net.to("cuda")\n',
    "a switch that can be turned off": SWITCH.format('"store_true"', False) + SWITCHED,
    "a switch whose default another value replaces": SWITCH.format('"store_false"', True)
    + SWITCHED,
}
LIKELY["a file of the inputs is loaded after a training"] = (
    NET
    + CHOSEN
    + "from .loops import train\n"
    + "net = nn.Linear(3, 1)\ntrain(net)\n"
    + 'net.load_state_dict(torch.load("../input/older/net.pt"))\n'
)
LIKELY["the training before is an option"] = (
    NET
    + CHOSEN
    + "from .loops import train\n"
    + "def main(args, net):\n"
    + "    if args.train:\n        train(net)\n"
    + "    net.load_state_dict(torch.load(args.weights))\n"
)
COPIES = (
    "class Policy(nn.Module):\n"
    + "    def choose(self, x, device):\n"
    + "        seen = x.clone().detach()\n        return self.layer(seen.to(device))\n"
    + "def keep(policy, path):\n    torch.save(policy.state_dict(), path)\n"
    + "def restore(path):\n"
    + "    policy = Policy({})\n    policy.load_state_dict(torch.load(path))\n"
)
LIKELY["copies of copies, as far as they can be followed"] = (
    NET
    + CHOSEN
    + COPIES.format("")
    + "def turn(pairs, first, second):\n    for _ in pairs:\n"
    + "        first = second\n        second = first\n        first.to(device)\n"
)
LIKELY["copies go to the device, and a model is given it"] = NET + CHOSEN + COPIES.format("device")
POSSIBLE = {
    "the GPU is only seeded, and nothing else is known": NET
    + "if torch.cuda.is_available():\n    torch.cuda.manual_seed_all(1)\n"
    + "def restore(net, path):\n    net.load_state_dict(torch.load(path))\n",
    "a file of which a name says that it holds weights": NET
    + CHOSEN
    + 'weights = torch.load("bank.pt")\nprint(weights.shape)\n',
}
NONE = {
    "weights are trained on and saved nowhere": NET
    + CHOSEN
    + "def fit(net, loader, optimizer, path):\n"
    + "    net.load_state_dict(torch.load(path))\n"
    + "    for x, y in loader:\n"
    + "        nn.functional.mse_loss(net(x), y).backward()\n"
    + "        optimizer.step()\n",
    "a file of data": NET + CHOSEN + 'graph = torch.load("graph.pt")\nprint(graph.num_nodes)\n',
    "a helper in a project that never speaks of a GPU": NET
    + "def restore(net, path):\n    net.load_state_dict(torch.load(path))\n",
    "a script that never asks for a GPU, of weights from who knows where": NET
    + 'net = nn.Linear(3, 1)\nnet.load_state_dict(torch.load("net.pt"))\n',
    "the file that would be loaded is saved nowhere": NET
    + CHOSEN
    + "def begin(net, optimizer, schedule, path):\n"
    + '    optimizer.load_state_dict(torch.load(path / "optimizer.pt"))\n'
    + "    for epoch in range(3):\n"
    + '        torch.save(net.state_dict(), path / "net.pt")\n',
    "texts under the extension of weights": NET
    + CHOSEN
    + 'titles = torch.load("titles.pth")\nprint([titles[n] for n in range(3)])\n',
    "nothing but copies goes to the device": NET + CHOSEN + COPIES.format(""),
    "what is called behind it moves each batch to a GPU": NET
    + CHOSEN
    + "def validate(net, loader):\n    for x, y in loader:\n        net(x.cuda(0))\n"
    + "def restore(net, path, loader):\n    net.load_state_dict(torch.load(path))\n"
    + "    validate(net, loader)\n",
    "the only call that lets it load goes on with a GPU": NET
    + "def build(weights=None):\n"
    + "    net = nn.Linear(3, 1)\n"
    + "    if weights:\n        net.load_state_dict(torch.load(weights))\n"
    + "    return net\n"
    + "def train():\n    return build().to("
    + '"cuda" if torch.cuda.is_available() else "cpu")\n'
    + 'def review():\n    net = build("net.pt")\n'
    + '    device = torch.device("cuda:0")\n    net.to(device)\n',
    "the option that trains is the one that loads": NET
    + "from .loops import train\n"
    + CHOSEN
    + "def main(args, net):\n"
    + "    if args.train:\n        train(net)\n"
    + '    if args.train:\n        net.load_state_dict(torch.load("best.pt"))\n',
    "a checkpoint is completed after the training": NET
    + CHOSEN
    + "from .loops import fit\n"
    + "def run(path, settings):\n    fit(path)\n    best = torch.load(path)\n"
    + '    best["settings"] = best["model"], settings\n    return best\n',
    "a switch that is always on": SWITCH.format('"store_true"', True) + SWITCHED,
    "a device that a switch always gives": SWITCH.format('"store_true"', True)
    + 'device = torch.device("cuda" if args.cuda else "cpu")\n'
    + 'net = nn.Linear(3, 1).to(device)\nnet.load_state_dict(torch.load("net.pt"))\n',
    "it is loaded only where there is a GPU": NET
    + CHOSEN
    + "def restore(net, path, use_cuda, resume):\n"
    + "    if use_cuda and resume:\n        net.load_state_dict(torch.load(path))\n",
    "a trainer that is given one GPU comes before": NET
    + CHOSEN
    + "from pytorch_lightning import Trainer\n"
    + "def fit(net, path):\n"
    + "    trainer = Trainer(max_epochs=3, gpus=1)\n"
    + "    net.load_state_dict(torch.load(path))\n    trainer.fit(net)\n",
    "a trainer whose settings ask for GPUs": NET
    + CHOSEN
    + "from pytorch_lightning import Trainer\n"
    + "def fit(net, path):\n"
    + '    settings = {"max_epochs": 3, "accelerator": "gpu", "devices": 2}\n'
    + "    run(net, path, settings)\n"
    + "def run(net, path, settings):\n"
    + "    trainer = Trainer(**settings)\n"
    + "    net.load_state_dict(torch.load(path))\n    trainer.fit(net)\n",
    "a program that cannot do without a GPU": NET
    + "net = nn.Linear(3, 1).cuda()\n"
    + 'net.load_state_dict(torch.load("net.pt"))\n',
    "a missing GPU ends the program": NET
    + "assert torch.cuda.is_available()\n"
    + 'net = nn.Linear(3, 1).to("cuda")\nnet.load_state_dict(torch.load("net.pt"))\n',
    "a model that goes to the GPU whatever there is": NET
    + CHOSEN
    + 'net = nn.Linear(3, 1)\nnet.load_state_dict(torch.load("net.pt"))\n'
    + 'net = net.to("cuda").eval()\n',
    "FSDP gathers the states as a setting says": NET
    + "from torch.distributed.fsdp import FullyShardedDataParallel as FSDP\n"
    + CHOSEN
    + "def restore(net, path, plugin):\n"
    + "    with FSDP.state_dict_type(net, plugin.kind, plugin.config):\n"
    + "        net.load_state_dict(torch.load(path))\n",
    "what the GPU is asked for ends a run without one": NET
    + CHOSEN
    + "print(torch.cuda.get_device_name(0))\n"
    + 'net = nn.Linear(3, 1).to(device)\nnet.load_state_dict(torch.load("net.pt"))\n',
    "every call keeps the function from the load": NET
    + CHOSEN
    + "def build(pretrained=True):\n"
    + "    net = nn.Linear(3, 1)\n"
    + '    if pretrained:\n        net.load_state_dict(torch.load("net.pt"))\n'
    + "    return net\n"
    + "model = build(pretrained=False).to(device)\n",
    "published weights": NET
    + CHOSEN
    + 'checkpoint = torch.load("weights/resnet18-0123abcd.pth")\n',
    "the address that a file is named after is one of published weights": NET
    + CHOSEN
    + 'URLS = {"small": "https://example.org/small-5c106cde.pth"}\n'
    + "def pretrained(net, size, folder):\n"
    + "    url = URLS[size]\n"
    + '    name = url.split("/")[-1]\n'
    + "    path = os.path.join(folder, name)\n"
    + "    net.load_state_dict(torch.load(path), strict=False)\n",
    "a test": NET
    + "import pytest\n"
    + CHOSEN
    + 'def test_restore(path, net):\n    net.load_state_dict(torch.load(path / "n.pt"))\n',
    "the model was trained before in the run": NET
    + CHOSEN
    + "def fit(net, loader, optimizer, stopper):\n"
    + "    for x, y in loader:\n"
    + "        nn.functional.mse_loss(net(x), y).backward()\n"
    + "        optimizer.step()\n"
    + "        stopper(net)\n"
    + '    net.load_state_dict(torch.load("best.pt"))\n',
    "another file trains the model before": NET
    + "from .loops import train\n"
    + CHOSEN
    + 'net = nn.Linear(3, 1)\ntrain(net)\nnet.load_state_dict(torch.load("best.pt"))\n',
    "a cache of what is missing": NET
    + "import os\n"
    + CHOSEN
    + 'if os.path.exists("model.pt"):\n    net = torch.load("model.pt")\n'
    + 'else:\n    net = nn.Linear(3, 1)\n    torch.save(net, "model.pt")\n',
    "what is saved goes to the CPU first": NET
    + CHOSEN
    + "def keep(net, path):\n"
    + "    torch.save({k: v.cpu() for k, v in net.state_dict().items()}, path)\n"
    + "def restore(net, path):\n    net.load_state_dict(torch.load(path))\n",
    "states that went to the CPU are saved beside a number": NET
    + CHOSEN
    + "def keep(net, path, epoch):\n"
    + "    states = {k: v.cpu() for k, v in net.state_dict().items()}\n"
    + '    torch.save({"net": states, "epoch": epoch}, path)\n'
    + 'def restore(net, path):\n    net.load_state_dict(torch.load(path)["net"])\n',
    "the model goes to the CPU before it is saved": NET
    + CHOSEN
    + "def keep(net, path):\n"
    + "    net.eval().cpu()\n    torch.save(net.state_dict(), path)\n    net.to(device)\n"
    + "def restore(net, path):\n    net.load_state_dict(torch.load(path))\n",
    "what is read goes to NumPy at once": NET
    + CHOSEN
    + 'weights = torch.load("weights.pt")\nprint(weights["fc"].numpy())\n',
    "arrays become tensors": NET
    + CHOSEN
    + 'weights = torch.load("weights.pt")\nprint(torch.from_numpy(weights[2:]))\n',
    "FSDP hands out states on the CPU": NET
    + "from torch.distributed.fsdp import FullStateDictConfig\n"
    + CHOSEN
    + "POLICY = FullStateDictConfig(offload_to_cpu=True, rank0_only=True)\n"
    + "def restore(net, path):\n    net.load_state_dict(torch.load(path))\n",
    "the state of a gradient scaler": NET
    + CHOSEN
    + "def restore(scaler, path):\n    scaler.load_state_dict(torch.load(path))\n",
}


@pytest.mark.parametrize("text", LIKELY.values(), ids=LIKELY)
def test_a_load_that_can_meet_a_missing_device_is_reported(text: str) -> None:
    assert _confidence(text) is Confidence.HIGH


def test_two_loads_of_which_neither_says_the_device_are_both_reported() -> None:
    loads = "    if resume:\n        state = torch.load(last)\n    else:\n        state = {}\n"
    text = NET + CHOSEN + "def restore(net, last, first, resume):\n" + loads
    text += "    net.load_state_dict(state)\n"
    assert len(check_text(RULE, text.format("torch.load(first)"))) == 2
    assert not check_text(RULE, text.format('torch.load(first, map_location="cpu")'))


@pytest.mark.parametrize("text", POSSIBLE.values(), ids=POSSIBLE)
def test_a_load_of_which_too_little_is_known_is_reported_on_request_only(text: str) -> None:
    assert _confidence(text) is Confidence.LOW


@pytest.mark.parametrize("text", NONE.values(), ids=NONE)
def test_a_load_that_meets_no_missing_device_is_not_reported(text: str) -> None:
    assert _confidence(text) is None


@pytest.mark.parametrize(
    ("refusal", "wanted"),
    [
        ("if count < 1:\n        raise OSError", None),
        ("if min(8, count) <= 0:\n        sys.exit('no GPU')", None),
        ("if not count or small:\n        raise OSError", None),
        ("assert count > 0 and small", None),
        ("if count < 1 and small:\n        raise OSError", Confidence.HIGH),
        ("if count > 1:\n        raise OSError", Confidence.HIGH),
        ("if count < 1:\n        print('no GPU')", Confidence.HIGH),
        ("assert count >= 0", Confidence.HIGH),
    ],
)
def test_a_program_that_refuses_a_machine_without_a_gpu_needs_no_location(
    refusal: str, wanted: Confidence | None
) -> None:
    text = NET + (
        "import sys\ndef restore(net, path, small):\n    count = torch.cuda.device_count()\n"
        f"    {refusal}\n    net.load_state_dict(torch.load(path))\n"
    )
    assert _confidence(text) is wanted
