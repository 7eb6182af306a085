using System.Runtime.InteropServices;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>
/// One request for many plans: gathers what becomes of each, and answers when the last is known.
/// </summary>
/// <remarks>
/// Filled by the connection's reader, then answered by shards' threads, each result by its place. One more than there
/// are plans is waited for, so that the answer does not leave before all are handed in.
/// </remarks>
internal sealed class ManySubmit : IReplyTarget
{
    private readonly Connection _connection;
    private readonly SubmitDesk _submits;
    private readonly ulong _tag;
    private readonly Durability _durability;
    private readonly SubmitResult?[] _results;
    private readonly ulong[] _fingerprints;
    private readonly List<Command>[] _commands;
    private int _missing;

    public ManySubmit(
        Connection connection, SubmitDesk submits, ulong tag, Durability durability, int planCount)
    {
        _connection = connection;
        _submits = submits;
        _tag = tag;
        _durability = durability;
        _results = new SubmitResult?[planCount];
        _fingerprints = new ulong[planCount];
        _missing = planCount + 1;
        _commands = new List<Command>[submits.ShardCount];
        for (int i = 0; i < _commands.Length; i++)
            _commands[i] = new List<Command>(planCount / _commands.Length + 1);
    }

    /// <summary>Reads one plan: it becomes a command, or is refused.</summary>
    public void Add(int index, ReadOnlySpan<byte> keyedPlan)
    {
        var reader = new WireReader(keyedPlan);
        reader.ReadArray("keyed_plan", 2, 2);
        var key = reader.TryReadNil() ? default : reader.ReadUtf8("key", ProtocolLimits.KeyBytesMax);
        if (!SubmissionReader.TryRead(ref reader, _submits.Rules, key, out var submission))
        {
            Set(index, PeerErrors.Of(reader.Fault!));
            return;
        }

        var command = _submits.Prepare(submission, PlanId.None);
        command.IsAccepted = _durability == Durability.Accepted;
        command.ReplyTo = this;
        command.Tag = (uint)index;
        _fingerprints[index] = submission.Fingerprint;
        _commands[_submits.ShardOf(command)].Add(command);
    }

    /// <summary>Hands all in, once their users are known.</summary>
    public void Post()
    {
        bool knowsAll = true;
        foreach (var commands in _commands)
        {
            foreach (var command in commands)
                knowsAll &= _submits.KnowsUser(command.Spec.User);
        }

        if (knowsAll)
            HandIn();
        else
            _ = AskAndHandInAsync();
    }

    public void Complete(in Reply reply)
    {
        int index = (int)reply.Tag;
        if (reply.Code == ReplyCode.Ok)
            Set(index, new SubmitResult(reply.Plan.Value, false, null));
        else if (reply.Code == ReplyCode.AlreadyExists)
            _ = CompareAsync(index, reply.Plan);
        else
            Set(index, PeerErrors.Of(reply.Code));
    }

    private async Task AskAndHandInAsync()
    {
        var missing = new HashSet<UserId>();
        ErrorMessage? trouble = null;
        try
        {
            foreach (var user in _commands.SelectMany(list => list).Select(command => command.Spec.User).Distinct())
            {
                if (!await _submits.KnowUserAsync(user, CancellationToken.None))
                    missing.Add(user);
            }
        }
        catch (DeskException e)
        {
            trouble = PeerErrors.Of(e);
        }
        catch (Exception e)
        {
            trouble = _connection.Fault(e, nameof(Opcode.SubmitMany)); // Nobody awaits this.
        }

        foreach (var commands in _commands)
        {
            commands.RemoveAll(command =>
            {
                if (trouble is null && !missing.Contains(command.Spec.User))
                    return false;
                SubmitDesk.Drop(command);
                Set((int)command.Tag, trouble ?? PeerErrors.UserNotFound(command.Spec.User));
                return true;
            });
        }

        HandIn();
    }

    private void HandIn()
    {
        for (int shard = 0; shard < _commands.Length; shard++)
        {
            var commands = CollectionsMarshal.AsSpan(_commands[shard]);
            int taken = _submits.Post(shard, commands);
            foreach (ref readonly var command in commands[taken..])
            {
                SubmitDesk.Drop(command);
                Set((int)command.Tag, _connection.NotTaken());
            }

            _commands[shard] = [];
        }

        EndOne();
    }

    private async Task CompareAsync(int index, PlanId plan) =>
        Set(index, await _connection.CompareAsync(plan, _fingerprints[index]) is { } error
            ? new SubmitResult(default, false, error)
            : new SubmitResult(plan.Value, true, null));

    private void Set(int index, ErrorMessage error) => Set(index, new SubmitResult(default, false, error));

    private void Set(int index, SubmitResult result)
    {
        if (Interlocked.Exchange(ref _results[index], result) is null)
            EndOne();
    }

    private void EndOne()
    {
        if (Interlocked.Decrement(ref _missing) == 0)
            _connection.Answer(_tag, new SubmitManyReply(_durability, _results!));
    }
}
