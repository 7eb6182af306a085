using Karya.Node.Storage;

namespace Karya.Node;

/// <summary>A thread that does one thing after another which may have to wait for the store.</summary>
internal sealed class ErrandThread : IDisposable
{
    private readonly Mailbox<Action> _mailbox = new();
    private readonly Thread _thread;

    public ErrandThread(string name) => _thread = new Thread(Run) { Name = name, IsBackground = true };

    public void Start() => _thread.Start();

    /// <summary>Any thread. What is posted must not throw.</summary>
    public void Post(Action errand) => _mailbox.Post(errand);

    /// <summary>Does what was posted, then stops.</summary>
    public void Dispose()
    {
        _mailbox.Close();
        if (_thread.IsAlive)
            _thread.Join();
    }

    private void Run()
    {
        var errands = new List<Action>();
        while (_mailbox.TakeAll(errands))
        {
            foreach (var errand in errands)
                errand();
            errands.Clear();
        }
    }
}
