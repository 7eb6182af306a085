using System.Buffers;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Karya.Simulation.Judging;
using Karya.Simulation.Kernel;
using Karya.Simulation.Nodes;

namespace Karya.Simulation.Work;

/// <summary>
/// A program that uses the cluster: over the protocol, with a map of who has what, retries under the same key, and no
/// idea of what goes on inside.
/// </summary>
internal sealed class Client
{
    private const long TimeoutUs = 3_000_000;
    private const int KnownPlansMax = 300;

    private readonly Cluster _cluster;
    private readonly Workload _work;
    private readonly World _world;
    private readonly Prng _chance;
    private readonly int _number;
    private readonly List<PlanId> _plans = [];
    private PartitionMap? _map;
    private uint _correlation;
    private int _keyCount;
    private int _planCount;

    public Client(Cluster cluster, Workload work, int number)
    {
        _cluster = cluster;
        _work = work;
        _world = cluster.World;
        _chance = cluster.World.Chance.Fork();
        _number = number;
    }

    /// <summary>Does one thing.</summary>
    public void Act()
    {
        var profile = _cluster.Profile;
        double dice = _chance.Unit() * (1 + profile.Cancels + profile.Updates + profile.Triggers + 0.2);
        if (dice < 1 || _plans.Count == 0)
            Submit();
        else if ((dice -= 1) < profile.Cancels)
            Cancel(_chance.Pick(_plans));
        else if ((dice -= profile.Cancels) < profile.Updates)
            Update(_chance.Pick(_plans));
        else if (dice - profile.Updates < profile.Triggers)
            Trigger(_chance.Pick(_plans));
        else
            Look(_chance.Pick(_plans));
    }

    private void Submit()
    {
        var plan = _work.Maker.Make(_cluster.Database.Clock.NowMs, $"client {_number} plan {_planCount++}");
        string? key = _chance.Chance(0.7) ? $"key-{_number}-{_keyCount++}" : null;
        var order = _work.Ordered(plan, key);
        Try(order, plan, key, tries: 0);
        if (key is not null && _chance.Chance(0.05)) // The program sends it twice at once.
            _world.After(_chance.Exponential(50_000), () => Try(order, plan, key, tries: 0));
    }

    private void Try(Order order, PlanMessage plan, string? key, int tries)
    {
        var durability = key is null && _chance.Chance(0.1) ? Durability.Accepted : Durability.Durable;
        PlanId? id = key is null ? null : PlanIds.OfKey(new UserId(plan.User), System.Text.Encoding.UTF8.GetBytes(key));
        int asked = Ask(new SubmitRequest(plan, durability, key), id, tries, (frame, node) =>
        {
            switch (frame)
            {
                case { Opcode: Opcode.Submit | Opcode.Reply } answer:
                    var reply = answer.Read<SubmitReply>();
                    Remember(new PlanId(reply.Plan));
                    _work.Acknowledged(order, reply, node);
                    break;
                case { Opcode: Opcode.Error } refusal:
                    var error = refusal.Read<ErrorMessage>();
                    bool isSurelyNotDone = error.Code is ErrorCode.Overloaded or ErrorCode.Unavailable;
                    if ((isSurelyNotDone || key is not null) && error.Code != ErrorCode.IdempotencyKeyReused)
                        TryAgain(order, plan, key, tries, isDone: !isSurelyNotDone);
                    else if (error.Code == ErrorCode.Unknown)
                        _work.Ended(order, RequestEnd.Unknown);
                    else
                        _work.Ended(order, RequestEnd.Refused);
                    break;
                default:
                    if (key is not null)
                        TryAgain(order, plan, key, tries, isDone: true);
                    else
                        _work.Ended(order, RequestEnd.Unknown);
                    break;
            }
        });
        _work.TriedAt(order, asked);
    }

    private void TryAgain(Order order, PlanMessage plan, string? key, int tries, bool isDone)
    {
        if (tries >= _work.TriesMax)
        {
            if (isDone || key is not null)
                _work.Ended(order, RequestEnd.Unknown);
            else
                _work.Ended(order, RequestEnd.Refused);
            return;
        }

        long pauseUs = _chance.Between(10_000, 100_000 * Math.Min(10, tries + 1));
        _world.After(pauseUs, () => Try(order, plan, key, tries + 1));
    }

    private void Cancel(PlanId plan)
    {
        var change = _work.Cancelled(plan);
        Ask(new CancelRequest(plan.Value), plan, tries: 0, (frame, _) => _work.Ended(change, EndOf(frame)));
    }

    private void Update(PlanId plan)
    {
        long? periodMs = _chance.Chance(0.5) ? _chance.Between(500, 30_000) : null;
        int? retries = periodMs is null || _chance.Chance(0.5) ? _chance.Below(4) : null;
        var change = _work.Updated(plan, periodMs, retries);
        Ask(
            new UpdateRequest(plan.Value, periodMs, retries, null), plan, tries: 0,
            (frame, _) => _work.Ended(change, EndOf(frame)));
    }

    private void Trigger(PlanId plan)
    {
        var change = _work.Triggered(plan);
        Ask(new TriggerRequest(plan.Value), plan, tries: 0, (frame, _) => _work.Ended(change, EndOf(frame)));
    }

    private void Look(PlanId plan)
    {
        long askedUs = _world.NowUs;
        Ask(new GetRequest(plan.Value), plan, tries: 0, (frame, _) =>
        {
            if (frame is { Opcode: Opcode.Update | Opcode.Reply } answer)
            {
                _work.Saw(plan, answer.Read<PlanSnapshot>(), askedUs);
            }
            else if (frame is { Opcode: Opcode.Error } refusal
                && refusal.Read<ErrorMessage>().Code == ErrorCode.PlanNotFound)
            {
                _work.Saw(plan, null, askedUs);
            }
        });
    }

    private static RequestEnd EndOf(Received? frame) => frame switch
    {
        { Opcode: Opcode.Update | Opcode.Reply } => RequestEnd.Acknowledged,
        { Opcode: Opcode.Error } refusal when refusal.Read<ErrorMessage>().Code != ErrorCode.Unknown =>
            RequestEnd.Refused,
        _ => RequestEnd.Unknown,
    };

    private void Remember(PlanId plan)
    {
        if (_plans.Count < KnownPlansMax)
            _plans.Add(plan);
        else
            _plans[_chance.Below(KnownPlansMax)] = plan;
    }

    /// <summary>
    /// Sends a request to the node that should have the plan, or to any, and hears one answer, or null.
    /// </summary>
    /// <returns>The node.</returns>
    private int Ask<T>(T request, PlanId? plan, int tries, Action<Received?, int> done) where T : IMessage<T>
    {
        int number = Choose(plan, tries);
        var writer = new FrameWriter();
        writer.Write(++_correlation, request);
        byte[] bytes = writer.Written.ToArray();
        bool isOver = false;
        Send(number, bytes, answer =>
        {
            if (isOver)
                return;
            isOver = true;
            var received = Received.Of(answer);
            if (received.Opcode == Opcode.Error && received.Read<ErrorMessage>().Code == ErrorCode.Unavailable)
                AskForMap(number);
            done(received, number);
        });
        _world.After(TimeoutUs, () =>
        {
            if (isOver)
                return;
            isOver = true;
            _map = null; // Whoever is silent has nothing, as far as this client is concerned.
            done(null, number);
        });
        return number;
    }

    private int Choose(PlanId? plan, int tries)
    {
        if (plan is { } known && _map is { } map && (tries == 0 || _chance.Chance(0.7)))
        {
            _cluster.Counters.Count(Happening.RedirectFollowed);
            return map.Owners[PartitionHash.Of(known.Value, map.Owners.Count)];
        }

        return _chance.Below(_cluster.Nodes.Count);
    }

    private void AskForMap(int number)
    {
        var writer = new FrameWriter();
        writer.Write(++_correlation, new MapRequest());
        Send(number, writer.Written.ToArray(), answer =>
        {
            var received = Received.Of(answer);
            if (received.Opcode == (Opcode.Map | Opcode.Reply))
                _map = received.Read<MapReply>().Map;
        });
    }

    private void Send(int number, byte[] bytes, Action<byte[]> answered)
    {
        var node = _cluster.Nodes[number];
        _cluster.Network.Send(Place.Clients, node.Place, () => node.After(0, () =>
            node.Process?.Submits.Receive(
                bytes, answer => _cluster.Network.Send(node.Place, Place.Clients, () => answered(answer)))));
    }

    /// <summary>An answer, as bytes.</summary>
    private sealed record Received(Opcode Opcode, ReadOnlyMemory<byte> Body)
    {
        public static Received Of(byte[] bytes)
        {
            var buffer = new ReadOnlySequence<byte>(bytes);
            if (FrameReader.TryRead(ref buffer, FrameHeader.LengthMaxDefault, out var frame)
                != FrameReadStatus.Complete)
            {
                throw new InvalidOperationException("A node of the simulation answered half a frame.");
            }

            return new Received(frame.Opcode, frame.Body.First);
        }

        public T Read<T>() where T : IMessage<T>
        {
            var reader = new WireReader(Body.Span);
            var message = T.Read(ref reader);
            return reader.TryEnd()
                ? message
                : throw new InvalidOperationException($"A node answered what cannot be read: {reader.Fault!.Message}");
        }
    }
}
