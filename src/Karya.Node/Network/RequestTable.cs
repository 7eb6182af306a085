using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>A request that has no reply yet.</summary>
/// <param name="Fingerprint">Of a plan whose id the client chose: a hash of the request.</param>
internal readonly record struct OpenRequest(
    uint Correlation, Durability Durability, ulong Fingerprint, long StartedMs, bool WaitsForStore);

/// <summary>
/// The requests of one connection that have no reply yet: as many as there are places. A place has a tag that travels
/// with the command; a reply that comes too late has the tag of a request that is gone, and finds nothing.
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class RequestTable
{
    private const int PlaceBits = 20;
    private const ulong PlaceMask = (1UL << PlaceBits) - 1;

    private readonly Lock _lock = new();
    private readonly OpenRequest[] _places;
    private readonly ulong[] _generations;
    private readonly int[] _free;
    private readonly Dictionary<uint, int> _byCorrelation;
    private int _freeCount;

    public RequestTable(int capacity)
    {
        _places = new OpenRequest[capacity];
        _generations = new ulong[capacity];
        _free = new int[capacity];
        _byCorrelation = new Dictionary<uint, int>(capacity);
        for (int i = 0; i < capacity; i++)
            _free[i] = capacity - 1 - i;
        _freeCount = capacity;
    }

    public int Count
    {
        get
        {
            lock (_lock)
                return _places.Length - _freeCount;
        }
    }

    /// <summary>Takes a place. <see cref="ErrorCode.None"/>, or why there is none.</summary>
    public ErrorCode Open(in OpenRequest request, out ulong tag)
    {
        lock (_lock)
        {
            tag = 0;
            if (_freeCount == 0)
            {
                return _byCorrelation.ContainsKey(request.Correlation)
                    ? ErrorCode.CorrelationInUse
                    : ErrorCode.TooManyInFlight;
            }

            int place = _free[_freeCount - 1];
            if (!_byCorrelation.TryAdd(request.Correlation, place))
                return ErrorCode.CorrelationInUse;
            _freeCount--;
            _places[place] = request;
            tag = (++_generations[place] << PlaceBits) | (uint)place;
            return ErrorCode.None;
        }
    }

    /// <summary>Notes what is known only when the request has been read.</summary>
    public void Describe(ulong tag, Durability durability, ulong fingerprint)
    {
        lock (_lock)
        {
            int place = (int)(tag & PlaceMask);
            _places[place] = _places[place] with
            {
                Durability = durability,
                Fingerprint = fingerprint,
                WaitsForStore = true,
            };
        }
    }

    /// <summary>False: the request was answered already.</summary>
    public bool TryFind(ulong tag, out OpenRequest request)
    {
        lock (_lock)
        {
            int place = (int)(tag & PlaceMask);
            request = _places[place];
            return _generations[place] == tag >> PlaceBits && request.Correlation != 0;
        }
    }

    /// <summary>Gives the place back. False: the request was answered already.</summary>
    public bool TryClose(ulong tag, out OpenRequest request)
    {
        lock (_lock)
        {
            int place = (int)(tag & PlaceMask);
            request = _places[place];
            if (_generations[place] != tag >> PlaceBits || request.Correlation == 0)
                return false;
            _byCorrelation.Remove(request.Correlation);
            _places[place] = default;
            _free[_freeCount++] = place;
            return true;
        }
    }

    /// <summary>Tags of submits that have waited since before an instant.</summary>
    public void CopyOverdue(long beforeMs, List<ulong> tags)
    {
        lock (_lock)
        {
            if (_freeCount == _places.Length)
                return;
            for (int place = 0; place < _places.Length; place++)
            {
                if (_places[place] is { WaitsForStore: true } request && request.StartedMs < beforeMs)
                    tags.Add((_generations[place] << PlaceBits) | (uint)place);
            }
        }
    }
}
