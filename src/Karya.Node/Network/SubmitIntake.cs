using System.Runtime.InteropServices;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>
/// The submits of one connection: read where they lie, gathered per shard, and handed in together when the connection's
/// reader has no frame left.
/// </summary>
/// <remarks>Used by the connection's reader only. What it waits for, it waits for beside the reader.</remarks>
internal sealed class SubmitIntake
{
    private readonly Connection _connection;
    private readonly RequestTable _requests;
    private readonly SubmitDesk _submits;
    private readonly List<Command>[] _batches;
    private int _count;

    public SubmitIntake(Connection connection, RequestTable requests, SubmitDesk submits)
    {
        _connection = connection;
        _requests = requests;
        _submits = submits;
        _batches = new List<Command>[submits.ShardCount];
        for (int i = 0; i < _batches.Length; i++)
            _batches[i] = [];
    }

    /// <summary>As many wait as a shard takes in a turn: more together gain nothing.</summary>
    public bool HasMany => _count >= Limits.CommandsPerTurnMax;

    public void Take(ref WireReader reader, ulong tag)
    {
        reader.ReadArray("submit", 3, 3);
        var durability = SubmitRequest.ReadDurability(ref reader);
        var key = reader.TryReadNil() ? default : reader.ReadUtf8("key", ProtocolLimits.KeyBytesMax);
        if (!SubmissionReader.TryRead(ref reader, _submits.Rules, key, out var submission))
        {
            _connection.Refuse(tag, PeerErrors.Of(reader.Fault!));
            return;
        }

        _requests.Describe(tag, durability, submission.Fingerprint);
        var command = _submits.Prepare(submission, PlanId.None);
        command.IsAccepted = durability == Durability.Accepted;
        command.ReplyTo = _connection;
        command.Tag = tag;
        if (!_submits.KnowsUser(command.Spec.User))
        {
            _ = AskAndSubmitAsync(command);
            return;
        }

        _batches[_submits.ShardOf(command)].Add(command);
        _count++;
    }

    public void TakeMany(ref WireReader reader, ulong tag)
    {
        reader.ReadArray("submit_many", 2, 2);
        var durability = SubmitRequest.ReadDurability(ref reader);
        int count = reader.ReadArray("plans", 1, int.MaxValue);
        if (count > ProtocolLimits.PlansPerRequestMax)
        {
            reader.Refuse(
                ErrorCode.TooManyPlans, "plans",
                $"plans has {count} items; at most {ProtocolLimits.PlansPerRequestMax} are allowed.");
        }

        int start = reader.Position;
        for (int i = 0; i < count && !reader.HasFailed; i++)
            reader.ReadBinary("plan", int.MaxValue);
        var ahead = reader;
        if (!ahead.TryEnd())
        {
            _connection.Refuse(tag, PeerErrors.Of(ahead.Fault!));
            return;
        }

        _requests.Describe(tag, durability, 0);
        var many = new ManySubmit(_connection, _submits, tag, durability, count);
        var plans = new WireReader(reader.Since(start));
        for (int i = 0; i < count; i++)
            many.Add(i, plans.ReadBinary("plan", int.MaxValue));
        many.Post();
    }

    /// <summary>What came together goes to the shards together.</summary>
    public void HandIn()
    {
        _count = 0;
        for (int shard = 0; shard < _batches.Length; shard++)
        {
            if (_batches[shard].Count == 0)
                continue;
            Post(shard, CollectionsMarshal.AsSpan(_batches[shard]));
            _batches[shard].Clear();
        }
    }

    private async Task AskAndSubmitAsync(Command command)
    {
        ErrorMessage refusal;
        try
        {
            if (await _submits.KnowUserAsync(command.Spec.User, CancellationToken.None))
            {
                Post(_submits.ShardOf(command), [command]);
                return;
            }

            refusal = PeerErrors.UserNotFound(command.Spec.User);
        }
        catch (DeskException e)
        {
            refusal = PeerErrors.Of(e);
        }
        catch (Exception e)
        {
            refusal = _connection.Fault(e, nameof(Opcode.Submit)); // Nobody awaits this.
        }

        SubmitDesk.Drop(command);
        _connection.Refuse(command.Tag, refusal);
    }

    private void Post(int shard, ReadOnlySpan<Command> commands)
    {
        int taken = _submits.Post(shard, commands);
        foreach (ref readonly var command in commands[taken..])
        {
            SubmitDesk.Drop(command);
            _connection.Refuse(command.Tag, _connection.NotTaken());
        }
    }
}
