using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Karya.LocalServers;

/// <summary>
/// Who runs a server: we ourselves, unless we are root, which servers refuse. Then it is the system user that packages
/// create for them.
/// </summary>
internal sealed class ServerAccount
{
    private readonly (int UserId, int GroupId)? _other;

    private ServerAccount((int UserId, int GroupId)? other) => _other = other;

    /// <summary>The first of these users that exists, if we are root.</summary>
    public static ServerAccount For(params string[] users)
    {
        if (!Environment.IsPrivilegedProcess)
            return new ServerAccount(null);

        var known = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).ToLookup(fields => fields[0]);
        string[] entry = users.SelectMany(user => known[user]).FirstOrDefault()
            ?? throw new InvalidOperationException(
                $"We are root, and none of the users that could run a server exists: {string.Join(", ", users)}.");
        return new ServerAccount(
            (int.Parse(entry[2], CultureInfo.InvariantCulture), int.Parse(entry[3], CultureInfo.InvariantCulture)));
    }

    /// <summary>
    /// What stands before a command. setpriv becomes the command, without a process in between: the id that we start
    /// is the server's. When we die without stopping the server, the kernel tells it.
    /// </summary>
    public string[] Prefix(string signalOnOurDeath) => _other is var (userId, groupId)
        ?
        [
            "setpriv", $"--reuid={userId}", $"--regid={groupId}", "--clear-groups", $"--pdeathsig={signalOnOurDeath}",
        ]
        : ["setpriv", $"--pdeathsig={signalOnOurDeath}"];

    public void Own(string path)
    {
        if (_other is var (userId, groupId) && Libc.ChangeOwner(path, userId, groupId) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"chown {path} failed.");
    }
}
