using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Protocol;

namespace Karya.Node.Storage;

/// <summary>
/// Fetches plans from the tables for the shards: the next window of the horizon, and single plans that a command needs.
/// </summary>
/// <remarks>
/// Two threads of its own, so that a request which waits for one plan does not wait for a million others. Each answers
/// in the order in which requests came, in pages. Shards that ask for the same window share one reading of it.
/// </remarks>
internal sealed class Loader : IDisposable
{
    private const int PlansPerPage = 1024;

    /// <summary>
    /// Pages that may wait at a shard: some milliseconds of its time, so that due tasks never wait long behind them.
    /// </summary>
    private const int WaitingPagesMax = 4;

    private static readonly TimeSpan WaitingPause = TimeSpan.FromMilliseconds(1);

    private readonly IStore _store;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly int _partitionCount;
    private readonly Mailbox<(int Shard, PlanRequest Request)> _plans = new();
    private readonly Mailbox<(int Shard, HorizonRequest Request)> _horizons = new();
    private readonly Thread _planThread;
    private readonly Thread _horizonThread;

    public Loader(IStore store, IReadOnlyList<Shard> shards, int partitionCount)
    {
        _store = store;
        _shards = shards;
        _partitionCount = partitionCount;
        _planThread = new Thread(LoadPlans) { Name = "karya-loader", IsBackground = true };
        _horizonThread = new Thread(LoadHorizons) { Name = "karya-horizon", IsBackground = true };
    }

    public void Start()
    {
        _planThread.Start();
        _horizonThread.Start();
    }

    public void Post(int shard, PlanRequest request) => _plans.Post((shard, request));

    public void Post(int shard, HorizonRequest request) => _horizons.Post((shard, request));

    public void Dispose()
    {
        _plans.Close();
        _horizons.Close();
        if (_planThread.IsAlive)
            _planThread.Join();
        if (_horizonThread.IsAlive)
            _horizonThread.Join();
    }

    private void LoadPlans()
    {
        var requests = new List<(int Shard, PlanRequest Request)>();
        while (_plans.TakeAll(requests))
        {
            foreach (var (shard, request) in requests)
            {
                var pages = new Pages(
                    this, [shard], request.Plan, HorizonRequest.AllPartitions, request.Version, _plans.Pause);
                Answer(pages, () => _store.LoadPlan(request.Plan, request.WithDescendants, pages.Add));
            }

            requests.Clear();
        }
    }

    private void LoadHorizons()
    {
        var requests = new List<(int Shard, HorizonRequest Request)>();
        while (_horizons.TakeAll(requests))
        {
            foreach (var window in requests.GroupBy(asked => asked.Request, asked => asked.Shard))
            {
                var pages = new Pages(
                    this, [.. window], PlanId.None, window.Key.Partition, window.Key.Version, _horizons.Pause);
                Answer(pages, () => _store.LoadDue(window.Key.FromMs, window.Key.ToMs, pages.Add));
            }

            requests.Clear();
        }
    }

    private static void Answer(Pages pages, Action load)
    {
        try
        {
            load();
            pages.End(hasFailed: false);
        }
        catch (StoreException)
        {
            pages.End(hasFailed: true); // The shards ask again.
        }
        catch (OperationCanceledException)
        {
            // The node stops: nobody waits for the rest.
        }
    }

    /// <summary>The pages of one answer that are being filled, one for each shard that asked.</summary>
    private sealed class Pages(
        Loader loader, int[] shards, PlanId requested, int onlyPartition, long version, Func<TimeSpan, bool> pause)
    {
        private readonly LoadedPage?[] _pages = new LoadedPage?[loader._shards.Count];

        public void Add(PlanId id, ReadOnlySpan<byte> memo, ReadOnlySpan<byte> body)
        {
            int partition = PartitionHash.Of(id.Value, loader._partitionCount);
            int shard = partition % loader._shards.Count;
            if (!shards.Contains(shard) || !loader._shards[shard].Owns(partition)
                || (onlyPartition >= 0 && onlyPartition != partition))
            {
                return;
            }

            var page = _pages[shard] ??= NewPage(hasFailed: false);
            page.Add(id, partition, memo, body);
            if (page.Plans.Count < PlansPerPage)
                return;
            Post(shard, page);
            _pages[shard] = null;
        }

        public void End(bool hasFailed)
        {
            foreach (int shard in shards)
            {
                var page = _pages[shard];
                if (hasFailed || page is null)
                    page = NewPage(hasFailed);
                page.IsLast = true;
                Post(shard, page);
            }
        }

        private LoadedPage NewPage(bool hasFailed) => new()
        {
            Requested = requested,
            Partition = onlyPartition,
            Version = version,
            HasFailed = hasFailed,
        };

        private void Post(int shard, LoadedPage page)
        {
            var inbox = loader._shards[shard].Inbox;
            while (inbox.WaitingPages >= WaitingPagesMax)
            {
                if (!pause(WaitingPause))
                    throw new OperationCanceledException("The loader stops.");
            }

            inbox.PostPage(page);
        }
    }
}
