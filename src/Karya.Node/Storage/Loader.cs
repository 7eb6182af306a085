using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Protocol;

namespace Karya.Node.Storage;

/// <summary>
/// Fetches plans from the tables for the shards: the next window of the horizon, and single plans that a command needs.
/// </summary>
/// <remarks>One thread of its own; requests are answered in the order in which they came, in pages.</remarks>
internal sealed class Loader : IDisposable
{
    private const int PlansPerPage = 1024;

    private readonly IStore _store;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly int _partitionCount;
    private readonly Mailbox<(int Shard, PlanRequest? Plan, HorizonRequest Horizon)> _mailbox = new();
    private readonly Thread _thread;

    public Loader(IStore store, IReadOnlyList<Shard> shards, int partitionCount)
    {
        _store = store;
        _shards = shards;
        _partitionCount = partitionCount;
        _thread = new Thread(Run) { Name = "karya-loader", IsBackground = true };
    }

    public void Start() => _thread.Start();

    public void Post(int shard, PlanRequest request) => _mailbox.Post((shard, request, default));

    public void Post(int shard, HorizonRequest request) => _mailbox.Post((shard, null, request));

    public void Dispose()
    {
        _mailbox.Close();
        if (_thread.IsAlive)
            _thread.Join();
    }

    private void Run()
    {
        var requests = new List<(int Shard, PlanRequest? Plan, HorizonRequest Horizon)>();
        while (_mailbox.TakeAll(requests))
        {
            foreach (var (shard, plan, horizon) in requests)
                Answer(_shards[shard], plan, horizon);
            requests.Clear();
        }
    }

    private void Answer(Shard shard, PlanRequest? plan, HorizonRequest horizon)
    {
        var requested = plan?.Plan ?? PlanId.None;
        var page = new LoadedPage { Requested = requested };
        try
        {
            StoredPlanReader add = (id, memo, body) =>
            {
                int partition = PartitionHash.Of(id.Value, _partitionCount);
                if (!shard.Owns(partition))
                    return;
                page.Add(id, partition, memo, body);
                if (page.Plans.Count < PlansPerPage)
                    return;
                shard.Inbox.PostPage(page);
                page = new LoadedPage { Requested = requested };
            };
            if (plan is { } wanted)
                _store.LoadPlan(wanted.Plan, wanted.WithDescendants, add);
            else
                _store.LoadDue(horizon.FromMs, horizon.ToMs, add);
            page.IsLast = true;
        }
        catch (StoreException)
        {
            page = new LoadedPage { Requested = requested, IsLast = true, HasFailed = true }; // The shard asks again.
        }

        shard.Inbox.PostPage(page);
    }
}
